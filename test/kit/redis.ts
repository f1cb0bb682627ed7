import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { execa } from 'execa';
import { afterAll, beforeAll, beforeEach } from 'vitest';

import { findRedisServer } from '@omx/queue/embedded';
import { askRedis } from './ask-redis.ts';
import { until } from './until.ts';

/** A real redis-server on a unix socket, empty at the start of each test. */
export interface TestRedis {
  readonly socket: string;
  readonly pid: () => number;
  /** Ends it as an administrator would; everything is written. */
  readonly stop: () => Promise<void>;
  /** SIGKILL. */
  readonly kill: () => Promise<void>;
  /** Starts it again with its data, after `stop` or `kill` or without. */
  readonly restart: () => Promise<void>;
  readonly flush: () => Promise<void>;
}

/** One server for the file or `describe`. */
export function useRedis(): TestRedis {
  const dir = mkdtempSync('/tmp/omx-redis-');
  const socket = `${dir}/redis.sock`;
  let server: ReturnType<typeof run> | undefined;

  const start = async (): Promise<void> => {
    const started = run(dir, socket);
    server = started;
    let output: string | undefined;
    void started.then((result) => (output = result.all));
    await until(() => askRedis(socket, 'PING'), { is: (reply) => reply.startsWith('+PONG'), failIf: () => output });
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    server?.kill(signal);
    await server;
    server = undefined;
  };
  const redis: TestRedis = {
    socket,
    pid: () => server?.pid ?? -1,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    restart: async () => {
      await end('SIGTERM');
      await start();
    },
    flush: async () => {
      await askRedis(socket, 'FLUSHALL');
    },
  };
  beforeAll(start);
  beforeEach(async () => {
    if (server === undefined) await start();
    await redis.flush();
  });
  afterAll(async () => {
    await end('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  });
  return redis;
}

function run(dir: string, socket: string) {
  return execa(findRedisServer(process.env), serverArguments(dir, socket), { cwd: dir, reject: false, all: true });
}

// As the embedded server is started, but for one thing: `always`, so that a test may kill it at any moment.
function serverArguments(dir: string, socket: string): string[] {
  const options = {
    port: '0',
    unixsocket: socket,
    dir,
    appendonly: 'yes',
    appendfsync: 'always',
    save: '',
    'maxmemory-policy': 'noeviction',
  };
  return Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
}

/** A server that listens on a port of 127.0.0.1, with settings of its own. Stop it before the test ends. */
export async function redisOnPort(
  settings: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly port: number; readonly stop: () => Promise<void> }> {
  const port = await freePort();
  // A replica writes what it gets into its folder, and another server there would load it.
  const dir = mkdtempSync('/tmp/omx-redis-');
  const server = execa(
    findRedisServer(process.env),
    ['--port', String(port), '--bind', '127.0.0.1', '--save', '', ...settings],
    {
      cwd: dir,
      reject: false,
      all: true,
      env,
    },
  );
  let output: string | undefined;
  void server.then((result) => (output = result.all));
  await until(() => askRedis({ host: '127.0.0.1', port }, 'PING'), { failIf: () => output });
  return {
    port,
    stop: async () => {
      server.kill('SIGKILL');
      await server;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** A port of 127.0.0.1 that nobody listens on. */
export async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
