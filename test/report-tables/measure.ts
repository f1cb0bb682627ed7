import type { Cluster } from '../kit/cluster/cluster.ts';
import type { ClusterNode } from '../kit/cluster/node.ts';
import type { Experiment, Times } from './experiments.ts';

/** What a table may differ from the driver's own clock: two commands are started in between. */
const toleratedSeconds = 4;

/** Runs the experiment on these nodes, with a worker of one slot on each. */
export async function measureOn(
  cluster: Cluster,
  nodes: readonly ClusterNode[],
  experiment: Experiment,
): Promise<Times> {
  const workers = await Promise.all(nodes.map((node) => node.start(['--slots', '1'])));
  let measured = false;
  const gone = workers.map(async ({ ended, stdout, stderr }) => {
    const { code } = await ended;
    // Without it the jobs would wait for ever.
    if (measured) return new Promise<never>(() => {});
    throw new Error(`a worker has ended with ${code}: ${stdout()}${stderr()}`);
  });
  const found = await Promise.race([measure(cluster, nodes.length, experiment), ...gone]);
  measured = true;
  await Promise.all(nodes.map((node) => node.stop()));
  return found;
}

async function measure(cluster: Cluster, nodes: number, experiment: Experiment): Promise<Times> {
  // The first jobs of a worker pay for its loading of code.
  await all(cluster, { cwd: cluster.shared, args: ['--array', `1-${nodes * 10}`, '--', 'true'] });
  return all(cluster, experiment);
}

async function all(cluster: Cluster, { cwd, args }: Pick<Experiment, 'cwd' | 'args'>): Promise<Times> {
  const omx = async (words: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await cluster.omx(words, { cwd, timeoutMs: 900_000 });
    if (code !== 0) throw new Error(`omx ${words.join(' ')} ended with ${code}: ${stdout}${stderr}`);
    return stdout;
  };
  const from = performance.now();
  const id = (await omx(['submit', '--quiet', ...args])).trim();
  await omx(['wait', '--quiet', id]);
  const waited = (performance.now() - from) / 1000;
  const { real, user, sys } = JSON.parse(await omx(['time', '--json', id])) as Times;
  if (Math.abs(waited - real) > toleratedSeconds)
    throw new Error(`omx time says ${real} s of ${id}, and ${waited.toFixed(1)} s have passed`);
  return { real, user, sys };
}
