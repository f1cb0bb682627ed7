import { execFileSync } from 'node:child_process';
import { cpus, loadavg } from 'node:os';

import { openCluster } from '../kit/cluster/cluster.ts';
import { quotaMissing } from '../kit/cluster/quota.ts';
import { needs } from '../kit/needs.ts';
import { root } from '../kit/open-home.ts';
import { measureDrain } from './drain.ts';
import { drainExperiment, experiments, moved, type Setup, setups, type Times } from './experiments.ts';
import { measureOn } from './measure.ts';
import { drainTable, tableOf } from './table.ts';

/** The report's machines by user time, 48.58 s against 12.40 s: the fast one is 3.9 times a slow one. */
const shares = { fast: 0.98, slow: 0.25 };

/** Tables show the median of so many rounds. */
const rounds = 3;

/** The part of the whole time that draining a node in the middle may cost; on a small load every start weighs more. */
const drainCosts = { full: 0.15, short: 0.6 };

/** What this exit code says is left to whoever reads it, as with automake's tests: skipped. */
const skipped = 77;

/** @returns the exit code */
export async function reportTables(short: boolean): Promise<number> {
  const reason = needs('netns', 'c++', 'openssl') ?? quotaMissing();
  if (reason !== undefined) {
    console.log(`skipped: ${reason}`);
    return skipped;
  }
  execFileSync('sh', [`${root}/examples/build.sh`, 'multifibo', 'distkeygen'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const wanted = experiments(short);
  console.log(
    `${cpus().length} CPUs (${cpus()[0]?.model}), load ${loadavg()[0]?.toFixed(2)}; of a CPU the fast node has ${shares.fast}, a slow one ${shares.slow}${short ? '; short form' : ''}`,
  );
  const cluster = await openCluster({ nodes: 4, cpus: [shares.fast, shares.slow, shares.slow, shares.slow] });
  // Namespaces end with us in any case, but not folders and control groups.
  const leave = (): void => void cluster.close().finally(() => process.exit(130));
  process.once('SIGINT', leave).once('SIGTERM', leave);
  try {
    const [fast, ...slow] = cluster.nodes;
    if (fast === undefined) throw new Error('the cluster has no nodes');
    const nodesOf = { A: [fast], B: slow, C: slow.slice(0, 1) };
    const found: Record<Setup | 'moved', Times[][]> = { A: [], B: [], C: [], moved: [] };
    const noCriu = needs('criu');
    // In turns, as a machine may be some per cent faster in one minute than in the next.
    for (let round = 0; round < (short ? 1 : rounds); round += 1) {
      for (const setup of setups) found[setup].push(await measureOn(cluster, nodesOf[setup], wanted));
      if (noCriu === undefined) found.moved.push(await measureOn(cluster, slow, wanted.map(moved)));
    }
    let reachedAll = true;
    for (const [at, experiment] of wanted.entries()) {
      const of = (setup: Setup | 'moved') => medianOf(found[setup].flatMap((round) => round[at] ?? []));
      const byMoves = noCriu === undefined ? of('moved') : undefined;
      const { lines, reached } = tableOf(experiment, { A: of('A'), B: of('B'), C: of('C') }, byMoves);
      console.log(`\n${lines.join('\n')}`);
      reachedAll &&= reached;
    }
    if (noCriu === undefined) {
      const experiment = drainExperiment(short);
      const most = short ? drainCosts.short : drainCosts.full;
      const { lines, reached } = drainTable(experiment, await measureDrain(cluster, slow, experiment), most);
      console.log(`\n${lines.join('\n')}`);
      reachedAll &&= reached;
    } else console.log(`\nnothing is moved or drained: ${noCriu}`);
    console.log(reachedAll ? '\nall reached' : '\nnot all reached');
    return reachedAll ? 0 : 1;
  } finally {
    await cluster.close();
  }
}

function medianOf(times: readonly Times[]): Times {
  const middle = (of: (each: Times) => number): number =>
    times.map(of).toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? NaN;
  return { real: middle(({ real }) => real), user: middle(({ user }) => user), sys: middle(({ sys }) => sys) };
}
