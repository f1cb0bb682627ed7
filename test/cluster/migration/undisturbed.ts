import { expect } from 'vitest';

import { type Commands, type JobJson, jobsOf, logsOf } from '../../kit/batches.ts';
import type { Program } from './programs.ts';
import { cpuOf, type Movable } from './steps.ts';

/** Two of the ticks in which the kernel counts, seconds: what a short program may have more or less. */
const ticks = 0.02;

/** A moved job printed, ended and used what one did that nobody disturbed. */
export async function likeUndisturbed(
  commands: Commands,
  { exitCode, masked = (output) => output, usageDiffers = 0.05 }: Program,
  job: Movable,
  still: Movable,
): Promise<void> {
  const [jobs, output, errors, expected] = await Promise.all([
    jobsOf(commands, job.id, still.id),
    logsOf(commands, job.id),
    logsOf(commands, '--err', job.id),
    logsOf(commands, still.id),
  ]);
  const only = (id: string): JobJson => jobs.find((each) => each.id.startsWith(`${id}.`)) as JobJson;
  const [moved, undisturbed] = [only(job.id), only(still.id)];
  expect(masked(output)).toBe(masked(expected));
  expect(errors).toBe('');
  expect(undisturbed).toMatchObject({ exitCode, migrations: 0 });
  expect(moved).toMatchObject({ exitCode, signal: null, outcome: undisturbed.outcome });
  const difference = Math.abs(cpuOf(moved) - cpuOf(undisturbed));
  const usages = [moved, undisturbed].map(({ user, sys }) => `user ${user} sys ${sys}`).join(' against ');
  expect(difference, usages).toBeLessThan(cpuOf(undisturbed) * usageDiffers + ticks);
}
