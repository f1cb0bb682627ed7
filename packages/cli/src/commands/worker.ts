import { mkdirSync, rmSync } from 'node:fs';

import { OmxError } from '@omx/core';
import { ensureServer, homeAt, pidFileHolder, writePidFile } from '@omx/queue/embedded';
import { NodeWorker } from '@omx/worker-node';
import { destination, type Logger, pino, stdTimeFunctions } from 'pino';

import { loadConfig } from '../config.ts';
import type { Io } from '../io.ts';
import { placeInMap } from '../node-map.ts';
import { checkNodeName, defaultNodeName, workerPidFile } from '../session.ts';
import { version } from '../installation.ts';
import { workerSettings, type WorkerWords } from '../worker-options.ts';

interface WorkerCommandOptions extends WorkerWords {
  readonly redis?: string;
  readonly name?: string;
  readonly map?: string | true;
}

const lastWordsMs = 2000;
/** Less than what most who send SIGTERM grant before SIGKILL, with ten seconds for the jobs that are ended. */
const graceMs = 30_000;

/**
 * Be a node until told to leave: SIGTERM or Ctrl-C moves the jobs to other nodes as far as that can be, gives the others back
 * to the queue and ends; a second one ends the moving. SIGUSR2 leaves them running for the next worker of this name to
 * adopt (an upgrade).
 */
export async function worker(io: Io, options: WorkerCommandOptions): Promise<number> {
  const place = options.map === undefined ? undefined : await placeInMap(options.map);
  const name = checkNodeName(options.name ?? place?.name ?? defaultNodeName());
  const settings = workerSettings(options);
  const config = loadConfig(io, options);
  const home = homeAt(config.home.value, io.env);
  const url = config.redis.value;
  if (url === undefined) await ensureServer(home, io.env);
  const pidFile = workerPidFile(home, name);
  const other = pidFileHolder(pidFile, (line) => / worker /.test(line));
  if (other !== undefined && other !== process.pid) {
    throw new OmxError(`cannot be '${name}': the worker with process id ${other} is it already`, {
      code: 'NODE_NAME_TAKEN',
      hint: 'choose another name with --name, or end that one first',
    });
  }
  mkdirSync(home.nodeDir(name), { recursive: true, mode: 0o700 });
  writePidFile(pidFile, process.pid);
  const node = new NodeWorker({
    address: url === undefined ? { socket: home.redisSocket } : { url },
    name,
    nodeDir: home.nodeDir(name),
    shepherdSocket: home.nodeSocket(name),
    // A queue of this machine's own cannot be out of reach of it alone: when it does not answer, nobody else can take jobs.
    onLost: url === undefined ? 'finish' : 'pause',
    // Its other nodes are on this machine and go with it.
    graceMs: url === undefined ? 0 : graceMs,
    ...settings,
    ...(place === undefined ? {} : { map: place.map }),
    version: version(),
    log: openLog(),
  });
  let leaving = false;
  const leave = (keepJobs: boolean) => (): void => {
    if (leaving) {
      if (!keepJobs) node.hurry();
      return;
    }
    leaving = true;
    node.stop({ keepJobs }).catch((error: unknown) => {
      io.stderr.write(`${String(error)}\n`);
      process.exitCode = 1;
    });
  };
  process.on('SIGTERM', leave(false));
  process.on('SIGUSR2', leave(true));
  process.on('SIGHUP', () => {});
  const release = io.onInterrupt(() => {
    if (!leaving) leave(false)();
    // Once no more jobs are being moved, another Ctrl-C ends the process, also while it waits for a queue that is away.
    else if (!node.hurry()) {
      release();
      process.kill(process.pid, 'SIGINT');
    }
  });
  try {
    await node.start();
    await node.stopped;
  } catch (error) {
    // What is half open would keep the process. Jobs an earlier worker left are for the next one that can start.
    await node.stop({ keepJobs: true });
    throw error;
  } finally {
    rmSync(pidFile, { force: true });
    // A connection that tries to come back would keep the process for ever.
    setTimeout(() => process.exit(), lastWordsMs).unref();
  }
  return 0;
}

/** One JSON line an event, on stdout. What cannot be written (a full disk) is dropped: the work goes on. */
function openLog(): Logger {
  const lines = destination(1);
  lines.on('error', () => {});
  return pino({ base: null, timestamp: stdTimeFunctions.isoTime }, lines);
}
