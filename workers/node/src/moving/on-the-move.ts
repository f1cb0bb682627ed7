import { attemptId, indexOf } from '@omx/core';
import type { JobSnapshot } from '@omx/queue';

import type { Attempt } from '../attempt.ts';
import type { BatchRuntime } from '../batch-cache.ts';

/** The attempt that a record tells of, for a job that comes here or was about to leave. */
export function attemptOnTheMove(runtime: BatchRuntime, snapshot: JobSnapshot, phase: 'arriving' | 'running'): Attempt {
  const { batch } = runtime;
  const { ordinal, job } = snapshot;
  const { limits, oversubscribe } = runtime.specOf(ordinal);
  const index = indexOf(batch.spec.jobs, ordinal);
  return {
    key: attemptId(batch.id, index, job.attempt),
    batch: batch.id,
    ordinal,
    index,
    number: job.attempt,
    slots: limits.cpus,
    oversubscribe,
    ...(limits.memBytes === undefined ? {} : { memBytes: limits.memBytes }),
    snapshot,
    phase,
    launcher: 'criu',
  };
}
