import { mkdirSync } from 'node:fs';
import { findRedisServer } from '@omx/queue/embedded';

import { askRedis } from '../ask-redis.ts';
import { until } from '../until.ts';
import type { Machine } from './machine.ts';
import { run } from './run.ts';

/** The queue's server, alone on its machine. */
export interface ClusterRedis {
  readonly url: string;
  /** SIGKILL. */
  readonly kill: () => Promise<void>;
  /** Starts it again with its data. */
  readonly restart: () => Promise<void>;
  /** SIGSTOP: connections stand, nothing answers. */
  readonly stop: () => void;
  readonly cont: () => void;
  /** One command, one reply line, however the network is. */
  readonly ask: (command: string) => Promise<string>;
}

export interface OpenServer extends ClusterRedis {
  readonly close: () => Promise<void>;
}

/** Where a server is to run. */
type Place = Pick<Machine, 'address' | 'through' | 'outside' | 'close'>;

export async function openServer(machine: Place, dir: string, port = 6379): Promise<OpenServer> {
  const data = `${dir}/redis-data`;
  const socket = `${dir}/redis.sock`;
  mkdirSync(data);
  let server: ReturnType<typeof serve> | undefined;

  const start = async (): Promise<void> => {
    const started = serve(machine, { data, socket, port });
    server = started;
    let output: string | undefined;
    void started.then((result) => (output = result.all));
    await until(() => askRedis(socket, 'PING'), { is: (reply) => reply.startsWith('+PONG'), failIf: () => output });
  };
  const pid = async (): Promise<number> => {
    const info = await askRedis(socket, 'INFO server');
    const found = machine.outside(Number(/process_id:(\d+)/.exec(info)?.[1]));
    if (found === undefined) throw new Error('the server is not running');
    return found;
  };
  await start();
  const running = { pid: await pid() };
  return {
    url: `redis://${machine.address}:${port}`,
    kill: async () => {
      process.kill(running.pid, 'SIGKILL');
      await server;
    },
    restart: async () => {
      await start();
      running.pid = await pid();
    },
    stop: () => {
      process.kill(running.pid, 'SIGSTOP');
    },
    cont: () => {
      process.kill(running.pid, 'SIGCONT');
      // Whoever brought it in stops with it and goes on with it.
      server?.kill('SIGCONT');
    },
    close: async () => {
      server?.kill('SIGCONT');
      await machine.close();
    },
    ask: async (command) => askRedis(socket, command),
  };
}

function serve(
  { address, through }: Place,
  { data, socket, port }: { readonly data: string; readonly socket: string; readonly port: number },
) {
  const options = {
    bind: address,
    port: String(port),
    'protected-mode': 'no',
    unixsocket: socket,
    dir: data,
    appendonly: 'yes',
    // So that a test may kill it at any moment.
    appendfsync: 'always',
    save: '',
    'maxmemory-policy': 'noeviction',
  };
  const settings = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  return run([...through, data, findRedisServer(process.env), ...settings], { reject: false, all: true });
}
