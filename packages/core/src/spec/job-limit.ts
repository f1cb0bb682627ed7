import { usageError } from '../errors.ts';

/** The most jobs one batch may have. */
export const maxJobs = 10_000_000;

/** Refuses a batch that is too large, before anything of its size is made. */
export function checkJobCount(count: number): number {
  if (count <= maxJobs) return count;
  throw usageError(
    `${Number.isFinite(count) ? `${count} jobs are` : 'that is'} more than the ${maxJobs} one batch may have`,
    'submit it in several batches',
  );
}
