import { mkdirSync } from 'node:fs';
import { connect, type Redis } from '@omx/queue';

import { isAlive, linesOf, shepherdPid, workerPid } from '../../kit/batches.ts';
import { openCluster } from '../../kit/cluster/cluster.ts';
import type { ClusterNode } from '../../kit/cluster/node.ts';
import { type ClusterRedis, openServer } from '../../kit/cluster/server.ts';
import { type OmxOptions, type OpenHome, openHome, type RunningOmx } from '../../kit/open-home.ts';
import { freePort } from '../../kit/redis.ts';
import { until } from '../../kit/until.ts';

/** A node, wherever it is: with a state folder of its own, and one worker at a time. */
export type GroundNode = Pick<ClusterNode, 'name' | 'workerPid' | 'shepherdPid'> & {
  /** Where the worker keeps its journal and the output of its jobs. */
  readonly dir: string;
  /** Starts the worker and waits until it takes jobs. `through`: words before its command. */
  readonly start: (options?: StartOptions) => Promise<void>;
  /** What its workers have logged, the newest last. */
  readonly log: () => string;
  /** The worker is told to leave, and has left. One that is not there is no harm. */
  readonly leave: () => Promise<void>;
  /** Its machine's own network; nodes of one machine have none. */
  readonly net?: Pick<ClusterNode, 'cut' | 'join' | 'lossy' | 'slow' | 'outsider' | 'workerPid'>;
};

export interface StartOptions {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** One machine whose nodes see each other's processes, or several that do not. */
export type GroundKind = 'machine' | 'cluster';

/** Nodes and a queue's server, made for one case and gone with it. */
export interface Ground extends Pick<OpenHome, 'omx' | 'omxSpawn'> {
  readonly kind: GroundKind;
  readonly nodes: readonly GroundNode[];
  readonly server: ClusterRedis;
  /** The tester's own connection, which no network disturbs. */
  readonly redis: Redis;
  /** A folder that all nodes see. */
  readonly shared: string;
  /** The lines that jobs have written. */
  readonly trace: () => string[];
  /** A door to the server behind which everything takes `ms` longer each way; only between several machines. */
  readonly farServer?: (ms: number) => Promise<string>;
  readonly close: () => Promise<void>;
}

/** Short, so that nobody has to wait long; the worker's beat, every 2 s, still fits in twice. */
export const leaseMs = 4000;
const workerArgs = ['--lease', `${leaseMs}ms`, '--on-lost', 'pause'];

export interface GroundOptions {
  readonly kind: GroundKind;
  readonly nodes: number;
  readonly slots: number;
  /** For the queue's server on one machine. */
  readonly serverEnv?: Readonly<Record<string, string>>;
}

/** Opens the ground; no worker runs yet. */
export async function openGround({ kind, nodes, slots, serverEnv = {} }: GroundOptions): Promise<Ground> {
  const args = ['--slots', String(slots), ...workerArgs];
  return kind === 'machine' ? openOneMachine(nodes, args, serverEnv) : openSeveral(nodes, args);
}

async function openSeveral(count: number, args: readonly string[]): Promise<Ground> {
  const cluster = await openCluster({ nodes: count });
  const home = cluster.shared.slice(0, cluster.shared.lastIndexOf('/'));
  const redis = await connect({ socket: `${home}/redis.sock` });
  return {
    ...common(cluster.shared),
    kind: 'cluster',
    nodes: cluster.nodes.map((node) => {
      const dir = `${home}/${node.name}/nodes/${node.name}`;
      return { ...tended(node, dir, async (options) => node.start([...args, ...(options.args ?? [])])), net: node };
    }),
    server: cluster.redis,
    redis,
    omx: cluster.omx,
    omxSpawn: cluster.omxSpawn,
    farServer: cluster.farServer,
    close: async () => {
      redis.disconnect();
      await cluster.close();
    },
  };
}

async function openOneMachine(
  count: number,
  args: readonly string[],
  serverEnv: Readonly<Record<string, string>>,
): Promise<Ground> {
  const home = openHome();
  const opened: (() => Promise<void>)[] = [home.close];
  try {
    const settings = Object.entries(serverEnv).map(([name, value]) => `${name}=${value}`);
    const through = ['env', ...settings, 'sh', '-c', 'cd "$0" && exec "$@"'];
    const place = {
      address: '127.0.0.1',
      through,
      outside: (pid: number) => pid,
      // A test may have killed it.
      close: async () => server.kill().catch(() => undefined),
    };
    const server = await openServer(place, home.dir, await freePort());
    opened.push(server.close);
    const redis = await connect({ socket: `${home.dir}/redis.sock` });
    const env = { OMX_REDIS_URL: server.url };
    const there = ({ env: more = {}, ...options }: OmxOptions = {}): OmxOptions => ({
      ...options,
      env: { ...env, ...more },
    });
    const nodes = Array.from({ length: count }, (_, at) => {
      const name = `n${at + 1}`;
      const own = { dir: `${home.dir}/${name}` };
      mkdirSync(own.dir);
      const pids = {
        workerPid: () => existing(workerPid(own, name)),
        shepherdPid: () => existing(shepherdPid(own, name)),
      };
      const start = async ({ args: more = [], env: extra = {} }: StartOptions): Promise<RunningOmx> => {
        const command = ['worker', '--name', name, ...args, ...more];
        const worker = home.omxSpawn(command, there({ env: { OMX_HOME: own.dir, ...extra } }));
        let ended = false;
        void worker.ended.then(() => (ended = true));
        await until(() => worker.stdout().includes('node is up'), {
          timeoutMs: 40_000,
          failIf: () => ended && `the worker of ${name} ended: ${worker.stdout()}${worker.stderr()}`,
        });
        return worker;
      };
      return tended({ name, ...pids }, `${own.dir}/nodes/${name}`, start);
    });
    return {
      ...common(home.work),
      kind: 'machine',
      nodes,
      server,
      redis,
      omx: (words, options) => home.omx(words, there(options)),
      omxSpawn: (words, options) => home.omxSpawn(words, there(options)),
      close: async () => {
        redis.disconnect();
        await server.close();
        await home.close();
      },
    };
  } catch (error) {
    for (const close of opened.toReversed()) await close().catch(() => undefined);
    throw error;
  }
}

function common(shared: string): Pick<Ground, 'shared' | 'trace'> {
  return {
    shared,
    // The last line may be half written.
    trace: () => linesOf(`${shared}/trace`),
  };
}

function tended(
  node: Pick<GroundNode, 'name' | 'workerPid' | 'shepherdPid'>,
  dir: string,
  start: (options: StartOptions) => Promise<RunningOmx>,
): GroundNode {
  const workers: RunningOmx[] = [];
  return {
    name: node.name,
    workerPid: node.workerPid,
    shepherdPid: node.shepherdPid,
    dir,
    start: async (options = {}) => void workers.push(await start(options)),
    log: () => workers.map((worker) => worker.stdout() + worker.stderr()).join(''),
    leave: async () => {
      const pid = pidOr(node.workerPid);
      if (pid !== undefined && isAlive(pid)) {
        process.kill(pid, 'SIGTERM');
        const worker = workers.at(-1);
        let hasEnded = worker === undefined;
        void worker?.ended.then(() => (hasEnded = true));
        await until(() => hasEnded, { timeoutMs: 60_000 });
      }
    },
  };
}

function existing(pid: number | undefined): number {
  if (pid === undefined) throw new Error('there is no such process');
  return pid;
}

/** Undefined where the process is not there. */
export function pidOr(find: () => number): number | undefined {
  try {
    return find();
  } catch {
    return undefined;
  }
}
