import { applyEvent, attemptId, eachOf, indexOf, isIllegal, spansOf } from '@omx/core';
import { type BatchStore, type JobChange, type JobStore, snapshotAfter } from '@omx/queue';
import type { Chunk } from '@omx/queue/delivery';

import type { Attempt } from './attempt.ts';
import type { BatchCache, BatchRuntime } from './batch-cache.ts';

/** At least so much work of short jobs is claimed ahead, so that slots do not wait for the queue. */
const aheadMs = 500;
const mostAhead = 1000;

/** How many jobs beyond its slots a node claims: none while it does not know that they are short. */
export function claimAhead(slots: number, meanMs: number | undefined): number {
  if (meanMs === undefined) return 0;
  return Math.min(mostAhead, Math.floor((slots * aheadMs) / Math.max(meanMs, 0.5)));
}

/**
 * Claims jobs of a chunk for this node, as many as there is room for; the rest goes back to the head of the queue.
 * Jobs that are held, cancelled or taken by others are passed over: the records decide, the chunk is only an offer.
 */
export async function claim(
  chunk: Chunk,
  room: number,
  stores: { readonly batches: BatchStore; readonly jobs: JobStore; readonly cache: BatchCache },
): Promise<Attempt[]> {
  const known = await stores.cache.get(chunk.batch);
  // What is remembered as held or cancelled may have been let go since, and a chunk passed over does not come again.
  const runtime =
    known === undefined || known.batch.untouched === 'queued' ? known : await stores.cache.reload(chunk.batch);
  if (runtime === undefined) {
    await chunk.done();
    return [];
  }
  const { claimed, rest } = await lease(runtime, [...eachOf(chunk.spans)], room, stores);
  if (rest.length > 0) await stores.batches.offer(chunk.batch, [{ spans: spansOf(rest), at: -1 }]);
  await chunk.done();
  return claimed;
}

/** Leases the first jobs that can be had, as many as fit into `room` slots; the rest are those that could be had too. */
async function lease(
  runtime: BatchRuntime,
  ordinals: readonly number[],
  room: number,
  stores: { readonly jobs: JobStore; readonly cache: BatchCache },
): Promise<{ readonly claimed: Attempt[]; readonly rest: number[] }> {
  // One that needs more slots than are free waits here for them; only one.
  const places = Math.max(1, Math.floor(room / runtime.batch.spec.limits.cpus));
  const claimed: Attempt[] = [];
  let rest: number[] = [];
  for (let open = ordinals, tries = 0; open.length > 0 && tries < 5; tries += 1) {
    const waiting = (await stores.jobs.read(runtime.batch, open)).filter(
      (snapshot) => snapshot.job.status === 'queued',
    );
    // A job that was touched before may have been changed by a rerun, which is on record before the job is queued again.
    if (waiting.some((snapshot) => snapshot.record[0] !== 0)) await stores.cache.reload(runtime.batch.id);
    const left = Math.max(0, places - claimed.length);
    rest = [...rest, ...waiting.slice(left).map((snapshot) => snapshot.ordinal)];
    const changes: JobChange[] = waiting.slice(0, left).flatMap((snapshot) => {
      const next = applyEvent(snapshot.job, { type: 'lease', node: runtime.nodeNumber });
      return isIllegal(next) ? [] : [{ snapshot, next, throttled: true }];
    });
    if (changes.length === 0) break;
    const result = await stores.jobs.write(runtime.batch, changes);
    const missed = new Set([...result.parked, ...result.conflicts.map((snapshot) => snapshot.ordinal)]);
    for (const change of changes) if (!missed.has(change.snapshot.ordinal)) claimed.push(attemptOf(runtime, change));
    open = result.conflicts.map((snapshot) => snapshot.ordinal);
    if (open.length > 0) await stores.cache.reload(runtime.batch.id);
  }
  return { claimed, rest };
}

function attemptOf(runtime: BatchRuntime, change: JobChange): Attempt {
  const { batch } = runtime;
  const { ordinal } = change.snapshot;
  const index = indexOf(batch.spec.jobs, ordinal);
  const { limits } = runtime.specOf(ordinal);
  return {
    key: attemptId(batch.id, index, change.next.attempt),
    batch: batch.id,
    ordinal,
    index,
    number: change.next.attempt,
    slots: limits.cpus,
    snapshot: snapshotAfter(batch, change),
    phase: 'ready',
    launcher: 'plain',
    ...(limits.memBytes === undefined ? {} : { memBytes: limits.memBytes }),
  };
}
