import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { allowedCpus } from '../../../packages/launch/src/host/cpu-scope.ts';
import { machineRoots } from '../../../packages/launch/src/host/roots.ts';
import { type OpenHome, openHome } from '../open-home.ts';
import { until } from '../until.ts';
import { isolation } from './isolation.ts';
import { type Limits, type Machine, openMachine, openSwitch } from './machine.ts';
import { type ClusterNode, nodeOn } from './node.ts';
import { run } from './run.ts';
import { type ClusterRedis, openServer } from './server.ts';

export interface ClusterOptions {
  /** How many nodes; they are called n1, n2, … */
  readonly nodes: number;
  /** CPUs' worth of time of each, in their order; one that is left out has no limit. */
  readonly cpus?: readonly number[];
  /** Each node has one processor, the next of those that are here. @defaultValue each has all of them */
  readonly oneProcessor?: boolean;
}

/** A few machines made of namespaces on this one, joined by a Redis server on a machine of its own. */
export interface Cluster extends Pick<OpenHome, 'omx' | 'omxSpawn'> {
  /** A folder that all machines see. */
  readonly shared: string;
  readonly nodes: readonly ClusterNode[];
  readonly redis: ClusterRedis;
  /** Starts a worker on each node. */
  readonly start: (args?: readonly string[]) => Promise<void>;
  /** A door to the server behind which everything takes `ms` longer each way. @returns its URL */
  readonly farServer: (ms: number) => Promise<string>;
}

export interface OpenCluster extends Cluster {
  /** Ends every machine with all its processes. @throws Error when something is left */
  readonly close: () => Promise<void>;
}

const proxy = fileURLToPath(new URL('delay-proxy.mjs', import.meta.url));

/** `cluster.omx` runs commands beside the server; `cluster.nodes[0].omx` on a node. */
export async function openCluster({
  nodes: count,
  cpus = [],
  oneProcessor = false,
}: ClusterOptions): Promise<OpenCluster> {
  const way = isolation();
  if (way === undefined) throw new Error('no network namespaces can be made here');
  const home = openHome();
  const opened: { close: () => Promise<void> }[] = [home];
  const closeAll = async (): Promise<void> => {
    const problems: unknown[] = [];
    for (const each of opened.splice(0).toReversed())
      await each.close().catch((problem: unknown) => problems.push(problem));
    if (problems.length > 0) throw new AggregateError(problems, problems.map(String).join('\n'));
  };
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => (closing ??= closeAll());
  const keep = <T extends { close: () => Promise<void> }>(each: T): T => {
    opened.push(each);
    return each;
  };
  try {
    const net = keep(await openSwitch(way));
    const machine = async (name: string, number: number, limits: Limits = {}): Promise<Machine> =>
      keep(await openMachine(net, { name, number, ...limits }));
    const here = oneProcessor ? [...(allowedCpus(machineRoots) ?? [])] : [];
    const desk = await machine('server', 1);
    const redis = keep(await openServer(desk, home.dir));
    const nodes: ClusterNode[] = [];
    for (let number = 1; number <= count; number += 1) {
      const name = `n${number}`;
      const limits = { cpus: cpus[number - 1], processor: here[number % here.length] };
      nodes.push(keep(nodeOn(await machine(name, 10 + number, limits), home, redis.url)));
    }
    const env = { OMX_HOME: `${home.dir}/desk`, OMX_REDIS_URL: redis.url };
    mkdirSync(env.OMX_HOME);
    const there = ({ cwd = home.work, env: more = {}, ...options }: Parameters<OpenHome['omx']>[1] = {}) => ({
      ...options,
      env: { ...env, ...more },
      through: [...desk.through, cwd],
    });
    return {
      shared: home.work,
      nodes,
      redis,
      start: async (args) => void (await Promise.all(nodes.map((node) => node.start(args)))),
      omx: (args, options) => home.omx(args, there(options)),
      omxSpawn: (args, options) => home.omxSpawn(args, there(options)),
      farServer: async (ms) => {
        const door = await machine('door', 2);
        const command = [process.execPath, proxy, '6379', desk.address, String(ms)];
        const child = run([...door.through, '/', ...command], { reject: false });
        let out = '';
        child.stdout.on('data', (data: Buffer) => (out += data.toString()));
        await until(() => out.includes('ready'));
        return `redis://${door.address}:6379`;
      },
      close,
    };
  } catch (error) {
    await close().catch(() => undefined);
    throw error;
  }
}
