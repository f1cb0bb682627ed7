import { formatDuration } from '@omx/core';

import type { EndedJob } from './ended.ts';
import { outcomeText } from './outcome-text.ts';

interface AttemptFacts {
  readonly node: string | undefined;
  /** Its failure was the node's fault. */
  readonly excused: boolean;
}

/** `attempt 1: exited with code 3 on n1 after 2.1s`. */
export function formatAttempt(job: EndedJob, { node, excused }: AttemptFacts): string {
  const where = node === undefined ? '' : ` on ${node}`;
  const after = job.startedAt === undefined ? '' : ` after ${formatDuration(job.endedAt - job.startedAt)}`;
  const counts = excused ? `; not counted, as ${node ?? 'its node'} was put in quarantine` : '';
  return `attempt ${job.attempt}: ${outcomeText(job.outcome)}${where}${after}${counts}`;
}
