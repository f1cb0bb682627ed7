import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';

import type { Job } from '@omx/core';
import type { StartRequest } from '@omx/launch';
import { queueClock } from '@omx/queue';

import type { Attempt } from '../attempt.ts';
import { jobFolder, removeJobFolder } from '../job-folders.ts';

/**
 * Puts the job's folder where its attempt has it, for a copy that is to be made there, and says how that is started. May be
 * done again for a second copy, as the first has not run, and after a crash at any moment.
 * @param aside where the folder lies, or lay
 * @param request what would start the attempt from the beginning; it makes an empty folder
 */
export async function layOut(
  nodeDir: string,
  attempt: Attempt,
  aside: string,
  request: (attempt: Attempt) => Promise<StartRequest>,
): Promise<StartRequest> {
  if (!existsSync(aside)) renameSync(jobFolder(nodeDir, attempt), aside);
  const start = await request(attempt);
  removeJobFolder(nodeDir, attempt);
  bringFolder(nodeDir, attempt, aside);
  return { ...start, timeMs: timeLeft(start.timeMs, attempt.snapshot.job) };
}

/** To where its attempt has it; there must be none. */
export function bringFolder(nodeDir: string, attempt: Attempt, aside: string): void {
  const folder = jobFolder(nodeDir, attempt);
  mkdirSync(dirname(folder), { recursive: true, mode: 0o700 });
  renameSync(aside, folder);
}

/** Of the limit of the whole attempt, milliseconds; 0: there is none. */
export function timeLeft(timeMs: number, job: Job): number {
  if (timeMs === 0 || !('startedAt' in job) || job.startedAt === undefined) return timeMs;
  return Math.max(1, timeMs - (queueClock.now() - job.startedAt));
}
