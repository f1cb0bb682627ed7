import { describe, expect, test } from 'vitest';

import { jobOf } from '../../kit/batches.ts';
import type { Cluster } from '../../kit/cluster/cluster.ts';
import { useCluster } from '../../kit/cluster/use-cluster.ts';
import { needs, skipUnless } from '../../kit/needs.ts';
import { type Program, programs } from './programs.ts';
import { begins, ends, finish, goesOn, type Movable, nothingLeft, startAll, startMovable } from './steps.ts';
import { likeUndisturbed } from './undisturbed.ts';

const isLong = Number(process.env['OMX_MIGRATION_TIMES'] ?? 1) > 2;

/** Those that are tried in the short form. */
const chosen = new Set([
  'a pipeline of a shell',
  'files being written',
  'a pair of unix sockets',
  'System V shared memory and semaphores',
]);

/** So many share a node that dies; more would only wait for each other. */
const together = 5;

interface Pair {
  readonly command: readonly string[];
  readonly job: Movable;
  /** The same program, which nobody disturbs. */
  readonly still: Movable;
}

/** Runs the programs on one node, has an image of each made, and pulls the plug of the node. */
async function play(cluster: Cluster, those: readonly Program[]): Promise<Map<string, Pair>> {
  await startAll(cluster, ['--slots', String(those.length), '--lease', '4s']);
  // So that all begin on the first.
  expect(await cluster.omx(['drain', 'n2'])).toMatchObject({ code: 0 });
  const pairs = await Promise.all(
    those.map(async (program): Promise<[Program, Pair]> => {
      // One that waits for nobody is to outlive the start of all the others and their images.
      const command = program.command(program.waits ? 1 : together);
      const [job, still] = await Promise.all([
        startMovable(cluster, command, { nodes: ['n1', 'n2'] }),
        startMovable(cluster, command, { nodes: ['n3'] }),
      ]);
      return [program, { command, job, still }];
    }),
  );
  await Promise.all(pairs.map(async ([program, { job }]) => begins(cluster, job, program)));
  expect(await cluster.omx(['undrain', 'n2'])).toMatchObject({ code: 0 });
  expect(await cluster.omx(['checkpoint', ...pairs.map(([, { job }]) => job.id)])).toMatchObject({
    code: 0,
    stderr: '',
  });
  // What they print now is cut off again.
  await Promise.all(pairs.map(async ([{ waits }, { job }]) => waits && goesOn(cluster, job)));
  await cluster.nodes[0]?.crash();
  for (const [, { job, still }] of pairs) [job, still].forEach(finish);
  return new Map(pairs.map(([{ name }, pair]) => [name, pair]));
}

const wanted = programs.filter(({ name }) => isLong || chosen.has(name));
for (let from = 0; from < wanted.length; from += together) {
  const group = wanted.slice(from, from + together);
  const names = group.map(({ name }) => name);
  const those = group.filter((program) => needs('netns', 'criu', ...program.needs) === undefined);

  describe(`their node is gone, and they go on elsewhere from their images (${names.join(', ')})`, () => {
    const cluster = useCluster({ nodes: 3, shared: 'until one fails' });
    let played: { readonly in: string; readonly pairs: Promise<Map<string, Pair>> } | undefined;

    test.for(group)('$name', { timeout: 300_000 }, async (program, { skip }) => {
      const { skip: isMissing, meta } = skipUnless('netns', 'criu', ...program.needs);
      skip(isMissing, meta.skipReason);
      if (played?.in !== cluster.shared) played = { in: cluster.shared, pairs: play(cluster, those) };
      const { command, job, still } = (await played.pairs).get(program.name) as Pair;
      await ends(cluster, job, still);
      expect(await jobOf(cluster, job.id)).toMatchObject({ node: 'n2' });
      await likeUndisturbed(cluster, program, command, job, still);
      expect((await cluster.omx(['why', job.id])).stdout).toMatch(/image/);
      await nothingLeft(cluster, job, ['n2', 'n3']);
    });
  });
}
