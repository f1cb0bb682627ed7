import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';

import { needs } from '../needs.ts';
import { type Cluster, type ClusterOptions, type OpenCluster, openCluster } from './cluster.ts';

/**
 * A cluster for each test of the file or `describe`; with `shared`, one for all of them; with 'until one fails' the test
 * after a failed one gets a new one, as nobody knows what that has left. At its end every machine is gone, and the test
 * fails if a process or a folder of it is left. Guard the tests with `skipUnless('netns')`.
 */
export function useCluster({
  shared = false,
  ...options
}: ClusterOptions & { readonly shared?: boolean | 'until one fails' }): Cluster {
  let cluster: OpenCluster | undefined;
  const now = (): OpenCluster => {
    if (cluster === undefined) throw new Error('a cluster lives only inside a test');
    return cluster;
  };
  const open = async (): Promise<void> => {
    if (needs('netns') === undefined) cluster ??= await openCluster(options);
  };
  const close = async (): Promise<void> => {
    const closing = cluster;
    cluster = undefined;
    await closing?.close();
  };
  (shared === true ? beforeAll : beforeEach)(open);
  if (shared === 'until one fails')
    afterEach(async ({ task }) => {
      if (task.result?.state === 'fail') await close();
    });
  (shared === false ? afterEach : afterAll)(close);
  return {
    get shared() {
      return now().shared;
    },
    get nodes() {
      return now().nodes;
    },
    get redis() {
      return now().redis;
    },
    omx: (args, more) => now().omx(args, more),
    omxSpawn: (args, more) => now().omxSpawn(args, more),
    start: (args) => now().start(args),
    farServer: (ms) => now().farServer(ms),
  };
}
