import { expect } from 'vitest';

import { type JobJson, jobsOf, logsOf } from '../../kit/batches.ts';
import type { Cluster } from '../../kit/cluster/cluster.ts';
import type { Program } from './programs.ts';
import { begins, cpuOf, ends, finish, type Movable, startMovable } from './steps.ts';

/** Two of the ticks in which the kernel counts, seconds: what a short program may have more or less. */
const ticks = 0.02;

/** So often two that nobody disturbs are compared where one was moved and used another time than it may. */
const controls = 3;

/** A moved job printed, ended and used what one of the same command did that nobody disturbed. */
export async function likeUndisturbed(
  cluster: Cluster,
  program: Program,
  command: readonly string[],
  job: Movable,
  still: Movable,
): Promise<void> {
  const { exitCode, masked = (output) => output, usageDiffers = 0.05 } = program;
  const [jobs, output, errors, expected] = await Promise.all([
    jobsOf(cluster, job.id, still.id),
    logsOf(cluster, job.id),
    logsOf(cluster, '--err', job.id),
    logsOf(cluster, still.id),
  ]);
  const only = (id: string): JobJson => jobs.find((each) => each.id.startsWith(`${id}.`)) as JobJson;
  const [moved, undisturbed] = [only(job.id), only(still.id)];
  expect(masked(output)).toBe(masked(expected));
  expect(errors).toBe('');
  expect(undisturbed).toMatchObject({ exitCode, migrations: 0 });
  expect(moved).toMatchObject({ exitCode, signal: null, outcome: undisturbed.outcome });
  const difference = Math.abs(cpuOf(moved) - cpuOf(undisturbed));
  const allowed = cpuOf(undisturbed) * usageDiffers + ticks;
  if (difference < allowed) return;
  // A processor that others share with this machine is slower than the other one, for a while and by up to a third.
  const noise: number[] = [];
  while (noise.length < controls) noise.push(await differenceOfTwo(cluster, program, command));
  const usages = [moved, undisturbed].map(({ user, sys }) => `user ${user} sys ${sys}`).join(' against ');
  expect(difference, usages).toBeLessThan(allowed + Math.max(...noise));
}

/** By how much processor time two differ that nobody disturbs, and that run at the same time; seconds. */
async function differenceOfTwo(cluster: Cluster, program: Program, command: readonly string[]): Promise<number> {
  const two = await Promise.all(['n2', 'n3'].map(async (node) => startMovable(cluster, command, { nodes: [node] })));
  await Promise.all(two.map(async (each) => begins(cluster, each, program)));
  two.forEach(finish);
  await ends(cluster, ...two);
  const [one = Number.NaN, other = Number.NaN] = (await jobsOf(cluster, ...two.map(({ id }) => id))).map(cpuOf);
  return Math.abs(one - other);
}
