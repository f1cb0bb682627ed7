import { type JobJson, jobsOf } from '../kit/batches.ts';
import type { Cluster } from '../kit/cluster/cluster.ts';
import type { ClusterNode } from '../kit/cluster/node.ts';
import { until } from '../kit/until.ts';
import type { Experiment, Times } from './experiments.ts';
import { measure, withWorkers } from './measure.ts';

export interface DrainTimes {
  readonly undisturbed: Times;
  readonly drained: Times;
  readonly killed: Times;
  /** Jobs that went to another node, and jobs that had to begin again. */
  readonly moved: number;
  readonly rerun: number;
  /** How long the drained node still had jobs, seconds. */
  readonly emptyAfter: number;
}

/**
 * Runs the experiment undisturbed, with the node of its longest job drained in the middle, and with that node's jobs killed
 * and run again elsewhere. The node stays drained to the end.
 */
export async function measureDrain(
  cluster: Cluster,
  nodes: readonly ClusterNode[],
  experiment: Experiment,
): Promise<DrainTimes> {
  const by = (launcher: string): Experiment => ({
    ...experiment,
    args: ['--launcher', launcher, '--balance', 'off', ...experiment.args],
  });
  return withWorkers(cluster, nodes, async () => {
    const undisturbed = await measure(cluster, by('criu'));
    let batch = '';
    let drainedAt = Number.NaN;
    let emptied: ClusterNode['name'] = '';
    const inTheMiddle =
      (...words: readonly string[]) =>
      async (id: string): Promise<void> => {
        batch = id;
        const middle = performance.now() + (undisturbed.real / 2) * 1000;
        await until(() => performance.now() >= middle, { timeoutMs: undisturbed.real * 1000 });
        drainedAt = Date.now();
        emptied = await drain(cluster, id, words);
      };
    const drained = await measure(cluster, by('criu'), inTheMiddle());
    const moved = (await jobsOf(cluster, batch)).filter(({ migrations }) => migrations > 0).length;
    const emptyAfter = (Math.max(drainedAt, await lastOn(cluster, batch, emptied)) - drainedAt) / 1000;
    await undrain(cluster, nodes);
    const killed = await measure(cluster, by('plain'), inTheMiddle('--requeue'));
    const rerun = (await jobsOf(cluster, batch)).filter(({ attempt }) => attempt > 1).length;
    await undrain(cluster, nodes);
    return { undisturbed, drained, killed, moved, rerun, emptyAfter };
  });
}

/** The job that has run longest is the one with most to do. @returns its node */
async function drain(cluster: Cluster, id: string, words: readonly string[]): Promise<string> {
  const running = (await jobsOf(cluster, id, '--state', 'running')).toSorted((a, b) => startOf(a) - startOf(b));
  const node = String(running[0]?.node);
  const { code, stderr } = await cluster.omx(['drain', node, ...words]);
  if (code !== 0) throw new Error(`omx drain ended with ${code}: ${stderr}`);
  return node;
}

interface EventJson {
  readonly at: string;
  readonly type: string;
  readonly node?: string;
  readonly from?: string;
}

/** When the last job ended on that node or left it, milliseconds since the epoch. */
async function lastOn(cluster: Cluster, batch: string, name: string): Promise<number> {
  const { stdout } = await cluster.omx(['events', '--json', batch]);
  const all = stdout.split('\n').filter((line) => line !== '');
  const left = all
    .map((line) => JSON.parse(line) as EventJson)
    .filter(
      ({ type, node, from }) => (type === 'job-ended' && node === name) || (type === 'job-moved' && from === name),
    );
  return Math.max(...left.map(({ at }) => Date.parse(at)));
}

function startOf({ startedAt }: JobJson): number {
  return Date.parse(startedAt ?? '');
}

async function undrain(cluster: Cluster, nodes: readonly ClusterNode[]): Promise<void> {
  const { code, stderr } = await cluster.omx(['undrain', ...nodes.map(({ name }) => name)]);
  if (code !== 0) throw new Error(`omx undrain ended with ${code}: ${stderr}`);
}
