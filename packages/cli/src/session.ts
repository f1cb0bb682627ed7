import { mkdirSync, readdirSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';

import { errorOf, usageError } from '@omx/core';
import {
  BatchStore,
  connect,
  describeAddress,
  JobStore,
  NodeAsker,
  NodeStore,
  openConnection,
  OutputStore,
  type QueueAddress,
  type Redis,
  rightsErrorOf,
} from '@omx/queue';
import {
  ensureServer,
  type Home,
  homeAt,
  pidFileHolder,
  startDaemon,
  withLock,
  writePidFile,
} from '@omx/queue/embedded';

import { loadConfig } from './config.ts';
import { packageFolder } from './installation.ts';
import { type Io, say } from './io.ts';

/** Options every command that talks to the queue has. */
export interface QueueOptions {
  readonly redis?: string;
}

/** The queue as a command uses it. Close it when done, or the process stays. */
export interface Session {
  readonly address: QueueAddress;
  /** The embedded queue's home; undefined where the queue is somebody else's server. */
  readonly home: Home | undefined;
  readonly redis: Redis;
  readonly batches: BatchStore;
  readonly jobs: JobStore;
  readonly outputs: OutputStore;
  readonly nodes: NodeStore;
  /** A connection for subscriptions, made when first asked for. */
  subscriber(): Redis;
  asker(): NodeAsker;
  close(): void;
}

/**
 * Opens the queue: `--redis`, else `OMX_REDIS_URL`, else the config file, else the embedded one, which is started with
 * a worker for this machine if it is not running.
 */
export async function openSession(io: Io, options: QueueOptions): Promise<Session> {
  const config = loadConfig(io, options);
  const url = config.redis.value;
  if (url !== undefined) return sessionAt(io, { url }, undefined);
  const home = homeAt(config.home.value, io.env);
  await ensureServer(home, io.env);
  const session = await sessionAt(io, { socket: home.redisSocket }, home);
  if (localWorkers(home).length === 0) {
    await withWorkersLock(home, async () => {
      if (localWorkers(home).length === 0) startWorker(home, io, { name: defaultNodeName() });
    });
  }
  return session;
}

/** Runs `work` while no other command starts or stops workers of this home. */
export async function withWorkersLock<T>(home: Home, work: () => Promise<T>): Promise<T> {
  return withLock(join(home.dir, 'up.lock'), work);
}

export async function sessionAt(io: Io, address: QueueAddress, home: Home | undefined): Promise<Session> {
  const redis = await connect(address, {
    onLost: (error) => say(io, `the queue at ${describeAddress(address)} is away (${error.message}); waiting for it`),
    onBack: () => say(io, 'the queue is back'),
  });
  const batches = new BatchStore(redis);
  let subscriber: Redis | undefined;
  let asker: NodeAsker | undefined;
  const session: Session = {
    address,
    home,
    redis,
    batches,
    jobs: new JobStore(batches),
    outputs: new OutputStore(redis),
    nodes: new NodeStore(redis),
    subscriber: () => {
      if (subscriber === undefined) {
        subscriber = openConnection(address);
        subscriber.setMaxListeners(100);
        subscriber.on('error', () => {});
      }
      return subscriber;
    },
    asker: () => {
      asker ??= new NodeAsker(redis, session.subscriber());
      return asker;
    },
    close: () => {
      subscriber?.disconnect();
      redis.disconnect();
    },
  };
  return session;
}

/** Runs `work` with a session and closes it after, whatever happens. */
export async function withSession<T>(
  io: Io,
  options: QueueOptions,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const session = await openSession(io, options);
  try {
    return await work(session);
  } catch (error) {
    throw (await rightsErrorOf(session.redis, describeAddress(session.address), errorOf(error))) ?? error;
  } finally {
    session.close();
  }
}

export interface LocalWorker {
  readonly name: string;
  readonly pid: number;
}

/** Workers of this home that are alive, by their pid files. */
export function localWorkers(home: Home): LocalWorker[] {
  let names: string[];
  try {
    names = readdirSync(join(home.dir, 'nodes'));
  } catch {
    return [];
  }
  return names.flatMap((name) => {
    const pid = pidFileHolder(workerPidFile(home, name), (line) => /(?:bin\.js|omx) worker /.test(line));
    return pid === undefined ? [] : [{ name, pid }];
  });
}

export function workerPidFile(home: Home, name: string): string {
  return join(home.nodeDir(name), 'worker.pid');
}

/** This machine's name, as far as it is good for one: letters, digits, `.`, `_` and `-`. */
export function defaultNodeName(): string {
  return hostname().replaceAll(/[^A-Za-z0-9._-]/g, '-') || 'node';
}

export function checkNodeName(name: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(name)) {
    throw usageError(
      `'${name}' is not a name for a node`,
      'use letters, digits, dots, dashes and underscores, 63 at most',
    );
  }
  return name;
}

/** Starts a worker of this home in the background. Call it under the workers' lock. */
export function startWorker(
  home: Home,
  io: Io,
  options: { readonly name: string; readonly args?: readonly string[] },
): { readonly pid: number; readonly exited: () => boolean } {
  const nodeDir = home.nodeDir(options.name);
  mkdirSync(nodeDir, { recursive: true, mode: 0o700 });
  const bin = join(packageFolder(), 'dist', 'bin.js');
  const daemon = startDaemon({
    program: process.execPath,
    args: [bin, 'worker', '--name', options.name, ...(options.args ?? [])],
    cwd: '/',
    logFile: join(nodeDir, 'worker.log'),
    env: { ...io.env, OMX_HOME: home.dir, OMX_REDIS_URL: '' },
  });
  // The worker writes it too, once it is up; until then the next command must not start a second one.
  if (daemon.pid > 0) writePidFile(workerPidFile(home, options.name), daemon.pid);
  return daemon;
}
