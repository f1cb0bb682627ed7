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

/** The part of the whole time that draining a node in the middle may cost; on a small load every start weighs more. */
const drainCosts = { full: 0.15, short: 0.6 };

/** Each row of a table is the middle one of so many. */
const rounds = 3;

/** What this exit code says is left to whoever reads it, as with automake's tests: skipped. */
const skipped = 77;

/**
 * @param only of the experiments whose names begin so; the draining is called `drain`. @defaultValue all
 * @returns the exit code
 */
export async function reportTables(short: boolean, only = ''): Promise<number> {
  const reason = needs('netns', 'c++', 'openssl') ?? quotaMissing();
  if (reason !== undefined) {
    console.log(`skipped: ${reason}`);
    return skipped;
  }
  execFileSync('sh', [`${root}/examples/build.sh`, 'multifibo', 'distkeygen'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const wanted = experiments(short).filter(({ name }) => name.startsWith(only));
  const drains = 'drain'.startsWith(only);
  if (wanted.length === 0 && !drains) throw new Error(`there is no experiment ${only}`);
  console.log(
    `${cpus().length} CPUs (${cpus()[0]?.model}), load ${loadavg()[0]?.toFixed(2)}; of a CPU the fast node has ${shares.fast}, a slow one ${shares.slow}${short ? '; short form' : ''}`,
  );
  // With one processor each: jobs that shared a quarter of two would warm up two caches in turns, for half as long each.
  const cluster = await openCluster({
    nodes: 4,
    cpus: [shares.fast, shares.slow, shares.slow, shares.slow],
    oneProcessor: true,
  });
  // Namespaces end with us in any case, but not folders and control groups.
  const leave = (): void => void cluster.close().finally(() => process.exit(130));
  process.once('SIGINT', leave).once('SIGTERM', leave);
  try {
    const [fast, ...slow] = cluster.nodes;
    if (fast === undefined) throw new Error('the cluster has no nodes');
    const nodesOf = { A: [fast], B: slow, C: slow.slice(0, 1) };
    const noCriu = needs('criu');
    let reachedAll = true;
    for (const experiment of wanted) {
      const found: Record<Setup | 'moved', Times[]> = { A: [], B: [], C: [], moved: [] };
      // All rows right after one another, round by round, as a machine's own speed drifts.
      for (let round = 0; round < (short ? 1 : rounds); round += 1) {
        for (const setup of setups) found[setup].push(await measureOn(cluster, nodesOf[setup], experiment));
        if (noCriu === undefined) found.moved.push(await measureOn(cluster, slow, moved(experiment)));
      }
      const measured = { A: middleOf(found.A), B: middleOf(found.B), C: middleOf(found.C) };
      const { lines, reached } = tableOf(
        experiment,
        measured,
        noCriu === undefined ? middleOf(found.moved) : undefined,
      );
      console.log(`\n${lines.join('\n')}`);
      reachedAll &&= reached;
    }
    if (noCriu !== undefined) console.log(`\nnothing is moved or drained: ${noCriu}`);
    else if (drains) {
      const experiment = drainExperiment(short);
      // A busy machine lets a small load end before its turn to move.
      const demands = { most: short ? drainCosts.short : drainCosts.full, mustMove: !short };
      const { lines, reached } = drainTable(experiment, await measureDrain(cluster, slow, experiment), demands);
      console.log(`\n${lines.join('\n')}`);
      reachedAll &&= reached;
    }
    console.log(reachedAll ? '\nall reached' : '\nnot all reached');
    return reachedAll ? 0 : 1;
  } finally {
    await cluster.close();
  }
}

/** The one that took the middle time. */
function middleOf(found: readonly Times[]): Times {
  const middle = found.toSorted((one, other) => one.real - other.real)[Math.floor(found.length / 2)];
  if (middle === undefined) throw new Error('nothing was measured');
  return middle;
}
