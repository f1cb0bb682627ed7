import { applyEvent, attemptId, eachOf, indexOf, isIllegal, type Job, spansOf } from '@omx/core';
import { type BatchStore, type JobChange, type JobStore, jobAfter, type KnownJob } from '@omx/queue';
import type { Chunk } from '@omx/queue/delivery';

import type { Attempt, Attempts } from './attempt.ts';
import type { BatchCache, BatchRuntime } from './batch-cache.ts';
import type { ClaimRoom, JobDemand } from './capacity.ts';

interface Stores {
  readonly batches: BatchStore;
  readonly jobs: JobStore;
  readonly cache: BatchCache;
  readonly attempts: Attempts;
}

/**
 * Claims jobs of a chunk for this node, as many as there is room for; the rest goes back to the head of the queue, and
 * what the node can never hold goes where it belongs. Jobs that are held, cancelled or taken by others are passed over:
 * the records decide, the chunk is only an offer.
 *
 * @returns whether there are chunks of the batch to be handed out
 * @param accept takes what was claimed, before anything else may fail: nobody else would ever look after it
 */
export async function claim(
  chunk: Chunk,
  roomFor: (runtime: BatchRuntime) => ClaimRoom,
  stores: Stores,
  accept: (claimed: readonly Attempt[]) => void,
): Promise<boolean> {
  const known = await stores.cache.get(chunk.batch);
  // What is remembered as held or cancelled may have been let go since, and a chunk passed over does not come again.
  const runtime =
    known === undefined || known.batch.untouched === 'queued' ? known : await stores.cache.reload(chunk.batch);
  if (runtime === undefined) {
    await chunk.done();
    return false;
  }
  const { rest, offered } = await lease(runtime, [...eachOf(chunk.spans)], roomFor(runtime), { ...stores, accept });
  if (rest.length > 0) await stores.batches.offer(chunk.batch, [{ spans: spansOf(rest), at: -1 }]);
  await chunk.done();
  return rest.length > 0 || offered > 0;
}

/**
 * Leases the first jobs that can be had, as many as there is room for.
 * @returns those that could be had too, and how many chunks were offered because the throttle allowed it
 */
async function lease(
  runtime: BatchRuntime,
  ordinals: readonly number[],
  room: ClaimRoom,
  stores: Stores & { readonly accept: (claimed: readonly Attempt[]) => void },
): Promise<{ readonly rest: readonly number[]; readonly offered: number }> {
  const rest: number[] = [];
  let offered = 0;
  let open = [...ordinals];
  for (let tries = 0; open.length > 0 && tries < 5; tries += 1) {
    const waiting = (await stores.jobs.read(runtime.batch, open)).filter(
      (snapshot) => snapshot.job.status === 'queued',
    );
    // A job that was touched before may have been changed by a rerun, which is on record before the job is queued again.
    if (waiting.some((snapshot) => snapshot.record[0] !== 0)) await stores.cache.reload(runtime.batch.id);
    const changes: JobChange[] = [];
    for (const snapshot of waiting) {
      const next = applyEvent(snapshot.job, { type: 'lease', node: runtime.nodeNumber });
      if (isIllegal(next)) continue;
      if (room.take(demandOf(runtime, snapshot.ordinal))) changes.push({ snapshot, next, throttled: true });
      else rest.push(snapshot.ordinal);
    }
    open = [];
    if (changes.length === 0) break;
    const result = await stores.jobs.write(runtime.batch, changes);
    runtime.ended = result.ended;
    offered += result.offered;
    const claimed: Attempt[] = [];
    const parked = new Set(result.parked);
    const conflicts = new Map(result.conflicts.map((snapshot) => [snapshot.ordinal, snapshot]));
    for (const change of changes) {
      const { ordinal } = change.snapshot;
      const conflict = conflicts.get(ordinal);
      const written = conflict === undefined ? jobAfter(change) : conflict;
      const attempt = attemptOf(runtime, written);
      if (conflict === undefined ? !parked.has(ordinal) : isClaimed(conflict.job, change.next, attempt, stores))
        claimed.push(attempt);
      else {
        room.release(attempt);
        if (conflict !== undefined) open.push(ordinal);
      }
    }
    stores.accept(claimed);
    if (open.length > 0) await stores.cache.reload(runtime.batch.id);
  }
  return { rest: [...rest, ...open], offered };
}

/**
 * Whether a refused claim was carried out all the same: a connection that is lost sends again what it had no answer to,
 * and meanwhile a user may have asked something of the job.
 */
function isClaimed(actual: Job, wanted: Job, attempt: Attempt, { attempts }: Stores): boolean {
  return (
    actual.status === 'leased' &&
    wanted.status === 'leased' &&
    actual.node === wanted.node &&
    actual.attempt === wanted.attempt &&
    attempts.get(attempt.key) === undefined
  );
}

function demandOf(runtime: BatchRuntime, ordinal: number): JobDemand {
  const { limits, oversubscribe } = runtime.specOf(ordinal);
  return { slots: limits.cpus, oversubscribe, ...(limits.memBytes === undefined ? {} : { memBytes: limits.memBytes }) };
}

function attemptOf(runtime: BatchRuntime, snapshot: KnownJob): Attempt {
  const { batch } = runtime;
  const { ordinal, job } = snapshot;
  const index = indexOf(batch.spec.jobs, ordinal);
  return {
    key: attemptId(batch.id, index, job.attempt),
    batch: batch.id,
    ordinal,
    index,
    number: job.attempt,
    ...demandOf(runtime, ordinal),
    snapshot,
    phase: 'ready',
    launcher: 'plain',
    claimedAt: performance.now(),
  };
}
