import { type BatchId, type BatchSpec, indexOf, type Order, ordinalOf, type Span, spansOf } from '@omx/core';

import type { BatchStore } from './batch-store.ts';
import type { JobStore } from './job-store.ts';
import { globalKeys } from './keys.ts';

/**
 * All jobs of a batch in the order in which they are to be handed out. `longest` goes by what the same jobs took in the
 * newest finished batch of the same name; jobs it did not have come first, as they may be the longest.
 */
export async function orderJobs(batches: BatchStore, jobs: JobStore, spec: BatchSpec, total: number): Promise<Span[]> {
  if (total === 0) return [];
  const learned = spec.order === 'longest' ? await learnedDurations(batches, jobs, spec, total) : undefined;
  return orderSpans(spec.order, total, learned);
}

function orderSpans(order: Order, total: number, durations: Float64Array | undefined): Span[] {
  switch (order) {
    case 'index':
      return [{ first: 0, last: total - 1 }];
    case 'reverse':
      return [{ first: total - 1, last: 0 }];
    case 'random':
      return spansOf(shuffled(total));
    case 'longest':
      if (durations === undefined) return [{ first: 0, last: total - 1 }];
      return spansOf([...durations.keys()].sort((a, b) => (durations[b] ?? 0) - (durations[a] ?? 0) || a - b));
  }
}

async function learnedDurations(
  batches: BatchStore,
  jobs: JobStore,
  spec: BatchSpec,
  total: number,
): Promise<Float64Array | undefined> {
  const earlier = (await batches.redis.get(globalKeys.named(spec.name))) as BatchId | null;
  const batch = earlier === null ? undefined : await batches.find(earlier);
  if (batch === undefined) return undefined;
  const durations = new Float64Array(total).fill(Number.POSITIVE_INFINITY);
  for await (const snapshots of jobs.scan(batch, [{ first: 0, last: batch.total - 1 }])) {
    for (const { ordinal, job } of snapshots) {
      const now = ordinalOf(spec.jobs, indexOf(batch.spec.jobs, ordinal));
      if (now === undefined || job.status !== 'ended' || job.startedAt === undefined) continue;
      durations[now] = job.endedAt - job.startedAt;
    }
  }
  return durations;
}

/** Fisher and Yates's shuffle. */
function shuffled(total: number): Uint32Array {
  const numbers = Uint32Array.from({ length: total }, (_, at) => at);
  for (let at = total - 1; at > 0; at -= 1) {
    const other = Math.floor(Math.random() * (at + 1));
    const kept = numbers[at] ?? 0;
    numbers[at] = numbers[other] ?? 0;
    numbers[other] = kept;
  }
  return numbers;
}
