import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { answers, ensureServer, type Home, homeAt, waitGone } from '@omx/queue/embedded';

import { endProcess, queuePid, shepherdPid, signal, writersBelow } from '../acting/processes.ts';
import { loadConfig } from '../config.ts';
import { type Io, say, writeJson, writeLine } from '../io.ts';
import { type LocalWorker, localWorkers, withWorkersLock, workerPidFile } from '../session.ts';

interface DownOptions {
  readonly json?: boolean;
}

/** A worker that ends moves jobs away first, if it is to, and lets the others end with their own grace. */
const workerMs = 75_000;
const orphanedWorkerMs = 3000;
const shepherdMs = 15_000;
/** It writes down what it holds. */
const serverMs = 30_000;
/** After so long a person wants to know what is waited for. */
const sayAfterMs = 2000;

/** `omx down`: ends the workers of this home with all they run, then the server, and waits until they are gone. */
export async function down(io: Io, options: DownOptions): Promise<number> {
  const home = homeAt(loadConfig(io, {}).home.value, io.env);
  const result = existsSync(home.dir)
    ? await withWorkersLock(home, async () => stopAll(io, home))
    : { stopped: [], redis: false };
  if (options.json === true) {
    await writeJson(io, result);
    return 0;
  }
  const { stopped, redis } = result;
  if (stopped.length === 0 && !redis) await writeLine(io, `nothing was running in ${home.dir}`);
  else {
    const parts = [
      ...(stopped.length === 0 ? [] : [`${stopped.length === 1 ? 'node' : 'nodes'} ${stopped.join(', ')}`]),
      ...(redis ? ['the queue'] : []),
    ];
    await writeLine(io, `stopped ${parts.join(' and ')} (${home.dir})`);
  }
  return 0;
}

async function stopAll(io: Io, home: Home): Promise<{ stopped: string[]; redis: boolean }> {
  const workers = localWorkers(home);
  // Without the queue a worker cannot give its jobs back, and would only wait for it.
  const queue = workers.length === 0 || (await answers(home.redisSocket)) || (await canStart(home, io));
  const patience = setTimeout(
    () =>
      say(
        io,
        `waiting for ${workers.length === 1 ? 'the worker' : `${workers.length} workers`} to end the running jobs`,
      ),
    sayAfterMs,
  );
  await Promise.all(workers.map(async (worker) => stopWorker(io, worker, queue ? workerMs : orphanedWorkerMs))).finally(
    () => clearTimeout(patience),
  );
  for (const name of nodeNames(home)) await stopNode(io, home, name);
  const server = await queuePid(home);
  if (server !== undefined && !(await endProcess(server, serverMs)))
    say(io, 'the queue’s server did not end and was killed');
  rmSync(home.redisPidFile, { force: true });
  removeSocket(home, home.redisSocket);
  return { stopped: workers.map(({ name }) => name), redis: server !== undefined };
}

async function stopWorker(io: Io, { name, pid }: LocalWorker, graceMs: number): Promise<void> {
  if (await endProcess(pid, graceMs)) return;
  say(io, `the worker ${name} did not end in ${graceMs / 1000} s and was killed; its jobs run again when a node is up`);
}

async function canStart(home: Home, io: Io): Promise<boolean> {
  try {
    await ensureServer(home, io.env);
    return true;
  } catch {
    return false;
  }
}

/** What a worker leaves that was killed: its shepherd, and where that was killed too, the jobs. */
async function stopNode(io: Io, home: Home, name: string): Promise<void> {
  const dir = home.nodeDir(name);
  const shepherd = shepherdPid(dir);
  if (shepherd !== undefined && !(await endProcess(shepherd, shepherdMs)))
    say(io, `the shepherd of ${name} did not end and was killed`);
  const orphans = writersBelow(join(dir, 'out'));
  for (const pid of orphans) signal(pid, 'SIGKILL');
  await Promise.all(orphans.map(async (pid) => waitGone(pid, 5000)));
  rmSync(workerPidFile(home, name), { force: true });
  removeSocket(home, home.nodeSocket(name));
}

/** The folder too, where it was made for the socket alone because the home's path is too long. */
function removeSocket(home: Home, socket: string): void {
  rmSync(socket, { force: true });
  if (!socket.startsWith(home.dir) && existsSync(dirname(socket))) rmdirSync(dirname(socket));
}

function nodeNames(home: Home): string[] {
  const nodes = join(home.dir, 'nodes');
  return existsSync(nodes) ? readdirSync(nodes) : [];
}
