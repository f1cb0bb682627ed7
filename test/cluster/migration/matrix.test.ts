import { expect, test } from 'vitest';

import { jobOf } from '../../kit/batches.ts';
import { useCluster } from '../../kit/cluster/use-cluster.ts';
import { skipUnless } from '../../kit/needs.ts';
import { until } from '../../kit/until.ts';
import { programs } from './programs.ts';
import { begins, ends, finish, goesOn, leftOn, move, nothingLeft, startAll, startMovable } from './steps.ts';
import { likeUndisturbed } from './undisturbed.ts';

/** How often each program is moved; `npm run migration` says ten times. */
const asked = Number(process.env['OMX_MIGRATION_TIMES'] ?? 1);

/** Those that are moved ten times in the short form too. */
const often = new Set(['a pipeline of a shell', 'files being written']);

const cluster = useCluster({ nodes: 3, shared: 'until one fails' });
/** The folder of the cluster whose workers were started. */
let startedIn = '';

for (const program of programs) {
  const times = often.has(program.name) ? Math.max(10, asked) : asked;
  const guard = skipUnless('netns', 'criu', ...program.needs);
  test(`${program.name}: ${times} times`, { ...guard, timeout: times > 2 ? 600_000 : 120_000 }, async () => {
    if (startedIn !== cluster.shared) await startAll(cluster, ['--slots', '2']);
    startedIn = cluster.shared;
    const command = program.command(times);
    // At the same time, so that whatever else this machine does slows both.
    const [still, job] = await Promise.all([
      startMovable(cluster, command, { nodes: ['n3'] }),
      startMovable(cluster, command, { nodes: ['n1', 'n2'] }),
    ]);
    let { node } = await begins(cluster, job, program);
    for (let moves = 0; moves < times; moves += 1) {
      const source = String(node);
      node = source === 'n1' ? 'n2' : 'n1';
      await move(cluster, job, node);
      if (program.waits) await goesOn(cluster, job);
      // Nothing of it stays where it was.
      await until(() => leftOn(cluster, source), { is: (left) => left.length === 0 });
    }
    // Not before: to wait costs a little, too.
    [job, still].forEach(finish);
    await ends(cluster, job, still);
    expect(await jobOf(cluster, job.id)).toMatchObject({ attempt: 1, migrations: times });
    await likeUndisturbed(cluster, program, command, job, still);
    await nothingLeft(cluster, job, ['n1', 'n2', 'n3']);
  });
}
