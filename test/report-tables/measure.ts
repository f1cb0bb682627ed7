import type { Cluster } from '../kit/cluster/cluster.ts';
import type { ClusterNode } from '../kit/cluster/node.ts';
import type { Experiment, Times } from './experiments.ts';

/** What a table may differ from the driver's own clock: two commands are started in between, which a busy machine lets wait. */
const toleratedSeconds = 15;

/** Runs the experiment on these nodes, with a worker of one slot on each. */
export async function measureOn(
  cluster: Cluster,
  nodes: readonly ClusterNode[],
  experiment: Experiment,
): Promise<Times> {
  return withWorkers(cluster, nodes, async () => measure(cluster, experiment));
}

/** Has a worker of one slot on each of these nodes meanwhile. */
export async function withWorkers<T>(
  cluster: Cluster,
  nodes: readonly ClusterNode[],
  work: () => Promise<T>,
): Promise<T> {
  const workers = await Promise.all(nodes.map((node) => node.start(['--slots', '1'])));
  let measured = false;
  const gone = workers.map(async ({ ended, stdout, stderr }): Promise<never> => {
    const { code } = await ended;
    // Without it the jobs would wait for ever.
    if (!measured) throw new Error(`a worker has ended with ${code}: ${stdout()}${stderr()}`);
    return new Promise(() => {});
  });
  // The first jobs of a worker pay for its loading of code.
  const warm = async (): Promise<T> => {
    await measure(cluster, { cwd: cluster.shared, args: ['--array', `1-${nodes.length * 10}`, '--', 'true'] });
    return work();
  };
  const found = await Promise.race([warm(), ...gone]);
  measured = true;
  await Promise.all(nodes.map((node) => node.stop()));
  return found;
}

/** Runs one experiment. `meanwhile`: what is done beside it, given its batch. */
export async function measure(
  cluster: Cluster,
  { cwd, args }: Pick<Experiment, 'cwd' | 'args'>,
  meanwhile: (id: string) => Promise<void> = async () => {},
): Promise<Times> {
  const omx = async (words: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await cluster.omx(words, { cwd, timeoutMs: 900_000 });
    if (code !== 0) throw new Error(`omx ${words.join(' ')} ended with ${code}: ${stdout}${stderr}`);
    return stdout;
  };
  const from = performance.now();
  const id = (await omx(['submit', '--quiet', ...args])).trim();
  await Promise.all([omx(['wait', '--quiet', id]), meanwhile(id)]);
  const waited = (performance.now() - from) / 1000;
  const { real, user, sys } = JSON.parse(await omx(['time', '--json', id])) as Times;
  if (Math.abs(waited - real) > toleratedSeconds)
    throw new Error(`omx time says ${real} s of ${id}, and ${waited.toFixed(1)} s have passed`);
  return { real, user, sys };
}
