import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import { ExitCode, type NodeInfo, OmxError, usageError } from '@omx/core';
import { describeAddress, globalKeys } from '@omx/queue';
import { answers, ensureServer, type Home, homeAt } from '@omx/queue/embedded';

import { loadConfig } from '../config.ts';
import { type Io, say, writeJson, writeLine } from '../io.ts';
import { defaultNodeName, localWorkers, type Session, sessionAt, startWorker, withWorkersLock } from '../session.ts';
import { workerSettings, type WorkerWords } from '../worker-options.ts';

interface UpOptions extends Partial<Pick<WorkerWords, 'slots' | 'role' | 'label' | 'idleTimeout'>> {
  readonly workers: string;
  readonly json?: boolean;
}

interface StartedWorker {
  readonly name: string;
  readonly pid: number;
  readonly started: boolean;
  /** What its log says from its start on. */
  readonly said: () => string;
  readonly exited: () => boolean;
}

const upMs = 30_000;

/** `omx up`: the embedded server and so many workers, in the background; what runs already is kept. */
export async function up(io: Io, options: UpOptions): Promise<number> {
  const count = parseCount(options.workers);
  const args = workerArgs(options);
  const config = loadConfig(io, {});
  const url = config.redis.value;
  if (url !== undefined) {
    throw usageError(
      `the queue is ${describeAddress({ url })} (${config.redis.origin}), and omx up starts the embedded one`,
      'omx worker makes this machine a node of that queue',
    );
  }
  const home = homeAt(config.home.value, io.env);
  const wasRunning = await answers(home.redisSocket);
  await ensureServer(home, io.env);
  const workers = await withWorkersLock(home, async () => startMissing(io, home, count, args));
  const session = await sessionAt(io, { socket: home.redisSocket }, home);
  try {
    const nodes = [];
    for (const worker of workers)
      nodes.push({ worker, node: await waitUntilUp(session, home, worker, Date.now() + upMs) });
    if (options.json === true) {
      await writeJson(io, {
        home: home.dir,
        redis: home.redisSocket,
        nodes: nodes.map(({ worker, node }) => ({
          name: node.name,
          slots: node.slots,
          pid: worker.pid,
          started: worker.started,
        })),
      });
      return 0;
    }
    await writeLine(io, `queue  ${home.redisSocket}  ${wasRunning ? 'was running' : 'started'}`);
    for (const { worker, node } of nodes) {
      await writeLine(
        io,
        `node   ${node.name}  ${node.slots} ${node.slots === 1 ? 'slot' : 'slots'}  ${worker.started ? 'started' : 'was running'}`,
      );
    }
    if (args.length > 0 && nodes.some(({ worker }) => !worker.started))
      say(io, `${args.join(' ')} holds for workers that were started now; omx down first starts all anew`);
    return 0;
  } finally {
    session.close();
  }
}

/** The workers that are wanted, and any others that run: `host`, `host-2`, … */
async function startMissing(io: Io, home: Home, count: number, args: readonly string[]): Promise<StartedWorker[]> {
  const running = localWorkers(home);
  const names = Array.from({ length: count }, (_, at) =>
    at === 0 ? defaultNodeName() : `${defaultNodeName()}-${at + 1}`,
  );
  const missing = names.filter((name) => !running.some((worker) => worker.name === name));
  return [
    ...running.map((worker) => ({
      ...worker,
      started: false,
      said: () => '',
      exited: () => !localWorkers(home).some(({ pid }) => pid === worker.pid),
    })),
    ...missing.map((name) => ({
      name,
      started: true,
      said: logFrom(home, name),
      ...startWorker(home, io, { name, args }),
    })),
  ].sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
}

/**
 * A node of an earlier process may still look alive for a while; ours says its own process id. Its lease comes first
 * and its ear for requests last, when its shepherd runs.
 */
async function waitUntilUp(session: Session, home: Home, worker: StartedWorker, deadline: number): Promise<NodeInfo> {
  for (;;) {
    const [, listeners] = await session.redis.pubsub('NUMSUB', globalKeys.nodeRequests(worker.name));
    const node = (await session.nodes.list()).find(
      ({ name, pid, state }) => name === worker.name && pid === worker.pid && state !== 'down',
    );
    if (node !== undefined && Number(listeners) > 0) return node;
    const ended = worker.exited();
    if (ended || Date.now() > deadline) {
      const tail = worker.said();
      throw new OmxError(
        `the worker ${worker.name} ${ended ? 'ended at once' : `did not come up in ${upMs / 1000} s`}${tail === '' ? '' : `: ${tail}`}`,
        {
          code: 'WORKER_START',
          exitCode: ExitCode.unreachable,
          hint: `its log is ${home.nodeDir(worker.name)}/worker.log; omx doctor checks this machine`,
        },
      );
    }
    await delay(20);
  }
}

/** The last lines that are added to a worker's log from now on. */
function logFrom(home: Home, name: string): () => string {
  const path = join(home.nodeDir(name), 'worker.log');
  const sizeOf = (): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  const start = sizeOf();
  return () => {
    const end = sizeOf();
    if (end <= start) return '';
    const buffer = Buffer.alloc(Math.min(end - start, 4096));
    const file = openSync(path, 'r');
    readSync(file, buffer, 0, buffer.length, end - buffer.length);
    closeSync(file);
    return buffer.toString().trim().split('\n').slice(-2).join(' | ');
  };
}

/** What is passed on to the workers, once it is known to be right. */
function workerArgs({ slots, role, label, idleTimeout }: UpOptions): string[] {
  workerSettings({
    slots: slots ?? 'auto',
    role: role ?? 'both',
    ...(label === undefined ? {} : { label }),
    ...(idleTimeout === undefined ? {} : { idleTimeout }),
  });
  return [
    ...(slots === undefined ? [] : ['--slots', slots]),
    ...(role === undefined ? [] : ['--role', role]),
    ...(label ?? []).flatMap((each) => ['--label', each]),
    ...(idleTimeout === undefined ? [] : ['--idle-timeout', idleTimeout]),
  ];
}

function parseCount(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || count < 1 || count > 64)
    throw usageError(`--workers: '${text}' is not a number from 1 to 64`);
  return count;
}
