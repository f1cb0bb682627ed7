import { describe, expect, test } from 'vitest';

import { type JobJson, jobOf, logsOf, waitFor } from '../../kit/batches.ts';
import { useCluster } from '../../kit/cluster/use-cluster.ts';
import { skipUnless } from '../../kit/needs.ts';
import { until } from '../../kit/until.ts';
import { type Program, programs } from './programs.ts';
import {
  begins,
  cpuOf,
  finish,
  goesOn,
  leftOn,
  type Movable,
  move,
  nothingLeft,
  startAll,
  startMovable,
} from './steps.ts';

/** How often each program is moved; `npm run migration` says ten times. */
const times = Number(process.env['OMX_MIGRATION_TIMES'] ?? 1);
const isLong = times > 2;
const timeout = isLong ? 600_000 : 120_000;

/**
 * Seconds that a job may take more than its part: for each stay, what the kernel does on behalf of the job after a thaw (its
 * pages are touched for the first time again, caches are cold), and the ticks of 10 ms in which the time of living
 * processes is counted when it is frozen.
 */
const allowance = (moves: number): number => 0.1 + 0.05 * moves;

/** Those whose restart from an image is tried in the short form. */
const restarted = new Set([
  'multifibo, the whole tree',
  'a pipeline of a shell',
  'files being written',
  'a pair of unix sockets',
]);

function guard(program: Program): ReturnType<typeof skipUnless> {
  return skipUnless('netns', 'criu', ...program.needs);
}

/** It printed, ended and used what one did that nobody disturbed. */
async function likeUndisturbed(
  commands: Parameters<typeof jobOf>[0],
  { exitCode, masked = (output) => output, usageDiffers = 0.05 }: Program,
  { job, still, moves }: { readonly job: Movable; readonly still: Movable; readonly moves: number },
): Promise<void> {
  const [moved, undisturbed] = await Promise.all([jobOf(commands, job.id), jobOf(commands, still.id)]);
  expect(masked(await logsOf(commands, job.id))).toBe(masked(await logsOf(commands, still.id)));
  expect(await logsOf(commands, job.id, '--err')).toBe('');
  expect(undisturbed).toMatchObject({ exitCode, migrations: 0 });
  expect(moved).toMatchObject({ exitCode, signal: null, outcome: undisturbed.outcome });
  const difference = Math.abs(cpuOf(moved) - cpuOf(undisturbed));
  expect(difference, usages(moved, undisturbed)).toBeLessThan(cpuOf(undisturbed) * usageDiffers + allowance(moves));
}

function usages(...jobs: readonly JobJson[]): string {
  return jobs.map(({ user, sys }) => `user ${user} sys ${sys}`).join(' against ');
}

describe('moved', () => {
  const cluster = useCluster({ nodes: 3, shared: true });
  let started: Promise<void> | undefined;

  for (const program of programs) {
    test(`${program.name}: ${times} times`, { ...guard(program), timeout }, async () => {
      await (started ??= startAll(cluster, ['--slots', '2']));
      const command = program.command(times);
      // At the same time, so that whatever else this machine does slows both.
      const still = await startMovable(cluster, command, { nodes: ['n3'] });
      const job = await startMovable(cluster, command, { nodes: ['n1', 'n2'] });
      finish(still);
      let { node } = await begins(cluster, job, program);
      for (let moves = 0; moves < times; moves += 1) {
        node = node === 'n1' ? 'n2' : 'n1';
        await move(cluster, job, node);
        if (program.waits) await goesOn(cluster, job);
        // Nothing of it stays where it was.
        const source = node === 'n1' ? 'n2' : 'n1';
        await until(() => leftOn(cluster, source), { is: (left) => left.length === 0 });
      }
      finish(job);
      await waitFor(cluster, job.id, still.id);
      expect(await jobOf(cluster, job.id)).toMatchObject({ attempt: 1, migrations: times });
      await likeUndisturbed(cluster, program, { job, still, moves: times });
      await nothingLeft(cluster, job, ['n1', 'n2', 'n3']);
    });
  }
});

describe('restarted from its image when its node is gone', () => {
  const cluster = useCluster({ nodes: 3 });

  for (const program of programs.filter(({ name }) => isLong || restarted.has(name))) {
    test(`${program.name} goes on elsewhere`, { ...guard(program), timeout }, async () => {
      await startAll(cluster, ['--slots', '2', '--lease', '4s']);
      const command = program.command(times);
      const still = await startMovable(cluster, command, { nodes: ['n3'] });
      const job = await startMovable(cluster, command, { nodes: ['n1', 'n2'] });
      finish(still);
      const { node } = await begins(cluster, job, program);
      expect(await cluster.omx(['checkpoint', job.id])).toMatchObject({ code: 0, stderr: '' });
      // What it prints now is cut off again.
      if (program.waits) await goesOn(cluster, job);
      await cluster.nodes.find(({ name }) => name === node)?.crash();
      finish(job);
      await waitFor(cluster, job.id, still.id);
      const survivors = ['n1', 'n2', 'n3'].filter((name) => name !== node);
      const after = await jobOf(cluster, job.id);
      expect(survivors).toContain(after.node);
      await likeUndisturbed(cluster, program, { job, still, moves: 1 });
      expect((await cluster.omx(['why', job.id])).stdout).toMatch(/image/);
      await nothingLeft(cluster, job, survivors);
    });
  }
});
