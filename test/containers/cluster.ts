import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { GenericContainer, getContainerRuntimeClient, StartedNetwork, Wait } from 'testcontainers';
import { afterAll, beforeAll } from 'vitest';

import { type OmxOptions, type OmxResult, type TestHome, useHome } from '../kit/home.ts';
import { type ClusterNode, clusterNode } from './cluster-node.ts';
import { containerRun } from './run.ts';

/** A folder that is the same in all nodes. */
export const shared = '/shared';

/** A Redis server and nodes in containers, on a network of their own. */
export interface Cluster {
  readonly nodes: readonly ClusterNode[];
  readonly redis: {
    /** SIGKILL. */
    readonly kill: () => Promise<void>;
    /** Starts it again with its data. */
    readonly start: () => Promise<void>;
  };
  /** Everything runs and is on the network again, whatever a test did. */
  readonly mend: () => Promise<void>;
  /** The command line of this machine. */
  readonly omx: (args: readonly string[], options?: OmxOptions) => Promise<OmxResult>;
  /** Where this machine has a path of `shared`. */
  readonly path: (name: string) => string;
  /** The lines of a file in `shared`; none while it is not there. */
  readonly lines: (name: string) => string[];
}

/** Starts a cluster for the file or `describe`. */
export function useCluster(names: readonly string[], { slots }: { readonly slots: number }): Cluster {
  const home = useHome({ shared: true });
  let cluster: OpenCluster | undefined;
  const now = (): OpenCluster => {
    if (cluster === undefined) throw new Error('a cluster lives only inside a test');
    return cluster;
  };
  beforeAll(async () => {
    cluster = await openCluster(names, slots, home);
  });
  afterAll(async () => {
    const closing = cluster;
    cluster = undefined;
    await closing?.close();
  });
  return {
    get nodes() {
      return now().nodes;
    },
    get redis() {
      return now().redis;
    },
    mend: () => now().mend(),
    omx: (args, options) => now().omx(args, options),
    path: (name) => now().path(name),
    lines: (name) => now().lines(name),
  };
}

interface OpenCluster extends Cluster {
  readonly close: () => Promise<void>;
}

async function openCluster(names: readonly string[], slots: number, home: TestHome): Promise<OpenCluster> {
  const { image, label } = containerRun();
  const labels = Object.fromEntries([label]);
  const folder = mkdtempSync('/tmp/omx-containers-');
  // The account in the image is another than the tester's.
  chmodSync(folder, 0o777);
  const network = await openNetwork(labels);
  const nameOf = (host: string): string => `${network.getName()}-${host}`;
  const container = (from: string, host: string): GenericContainer =>
    new GenericContainer(from).withNetwork(network).withHostname(host).withName(nameOf(host)).withLabels(labels);

  const redis = await container('redis:7-alpine', 'redis')
    .withCommand(['redis-server', '--appendonly', 'yes', '--maxmemory-policy', 'noeviction'])
    .withWaitStrategy(Wait.forLogMessage('Ready to accept connections'))
    .start();
  const started = await Promise.all(
    names.map((name) =>
      container(image, name)
        .withEnvironment({ OMX_REDIS_URL: `redis://${nameOf('redis')}:6379` })
        .withCommand(['worker', '--slots', String(slots)])
        .withBindMounts([{ source: folder, target: shared }])
        .withWaitStrategy(Wait.forLogMessage('node is up'))
        .start(),
    ),
  );
  const nodes = await Promise.all(started.map((node, at) => clusterNode(names[at] ?? '', node, network)));
  const server = (await getContainerRuntimeClient()).container.getById(redis.getId());
  const path: Cluster['path'] = (name) => join(folder, name);
  return {
    nodes,
    redis: {
      kill: async () => {
        await server.kill({ signal: 'SIGKILL' });
        await server.wait();
      },
      start: async () => {
        await server.start();
      },
    },
    omx: async (args, { env, ...options } = {}) => {
      // A container that was started again may have another address.
      const { Networks } = (await server.inspect()).NetworkSettings;
      const url = `redis://${Networks[network.getName()]?.IPAddress}:6379`;
      return home.omx(args, { ...options, env: { OMX_REDIS_URL: url, ...env } });
    },
    mend: async () => {
      // What runs refuses to be started.
      await Promise.allSettled([
        server.start(),
        ...nodes.flatMap((node) => [node.unpause(), node.start(), node.join()]),
      ]);
    },
    path,
    lines: (name) => (existsSync(path(name)) ? readFileSync(path(name), 'utf8').split('\n').slice(0, -1) : []),
    close: async () => {
      await Promise.allSettled(nodes.map((node) => node.unpause()));
      await Promise.allSettled([...started, redis].map((each) => each.stop({ timeout: 0 })));
      await network.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function openNetwork(labels: Record<string, string>): Promise<StartedNetwork> {
  const client = await getContainerRuntimeClient();
  const name = `omx-test-${crypto.randomUUID().slice(0, 8)}`;
  return new StartedNetwork(client, name, await client.network.create({ Name: name, Labels: labels }));
}
