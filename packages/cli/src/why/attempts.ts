import { formatDuration } from '@omx/core';

import type { EndedJob } from './ended.ts';
import { outcomeText } from './outcome-text.ts';

/** `attempt 1: exited with code 3 on n1 after 2.1s`. */
export function formatAttempt(job: EndedJob, node: string | undefined): string {
  const where = node === undefined ? '' : ` on ${node}`;
  const after = job.startedAt === undefined ? '' : ` after ${formatDuration(job.endedAt - job.startedAt)}`;
  return `attempt ${job.attempt}: ${outcomeText(job.outcome)}${where}${after}`;
}
