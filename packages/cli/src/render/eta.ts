import { doneCount, type StateCounts } from '@omx/core';

/**
 * Milliseconds until all jobs have ended, from the rate since the first start; undefined where nothing has ended
 * yet, nothing is on its way, or all is done.
 */
export function etaMs(
  counts: StateCounts,
  total: number,
  firstStartAt: number | undefined,
  now: number,
): number | undefined {
  // Cancelled jobs end all at once and say nothing about the rate.
  const worked = counts.succeeded + counts.failed + counts.lost;
  const left = total - doneCount(counts);
  const moving = counts.queued + counts.running + counts.frozen;
  if (left === 0 || moving === 0 || worked === 0 || firstStartAt === undefined || now <= firstStartAt) return undefined;
  return ((now - firstStartAt) / worked) * left;
}
