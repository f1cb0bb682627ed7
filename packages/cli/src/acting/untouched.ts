import { type Batch, doneCount, type Span, type Untouched } from '@omx/core';
import { batchKeys, blockJobs, chunkOrder, orderJobs } from '@omx/queue';

import type { Session } from '../session.ts';

/**
 * Changes what the jobs of a batch are that nobody has touched yet, in one step however many they are, and again where
 * somebody else was faster.
 * @param from what they may be now; anything else stays
 * @returns the batch as it is then, and the number of jobs changed
 */
export async function changeUntouched(
  session: Session,
  batch: Batch,
  from: readonly Untouched[],
  to: Untouched,
  note: string,
): Promise<{ readonly batch: Batch; readonly changed: number }> {
  for (let current = batch; ; current = await session.batches.load(batch.id)) {
    if (!from.includes(current.untouched)) return { batch: current, changed: 0 };
    const done = await session.batches.changeUntouched(current, to, note);
    if (done === undefined) continue;
    await session.batches.wake(batch.id, 'change');
    return { batch: { ...current, untouched: to, note }, changed: done.changed };
  }
}

/**
 * Lets go the jobs nobody has touched, and puts them on their way to the nodes: chunks offered before were passed over.
 * Too many offers are no harm, as the records decide.
 */
export async function releaseUntouched(session: Session, batch: Batch, from: 'held' | 'cancelled'): Promise<{ readonly batch: Batch; readonly changed: number }> {
  if (batch.untouched !== from) return { batch, changed: 0 };
  const order = await orderJobs(session.batches, session.jobs, batch.spec, batch.total);
  const released = await changeUntouched(session, batch, [from], 'queued', '');
  const chunks = released.changed === 0 ? [] : chunkOrder(order, batch.total);
  await session.batches.offer(
    batch.id,
    chunks.map((spans) => ({ spans })),
  );
  return released;
}

/** The jobs of a batch that may have records of their own, block by block: of a million of which ten were begun, few. */
export async function touchedSpans(session: Session, batch: Batch): Promise<Span[]> {
  const keys = batchKeys(batch.id);
  const blocks = Array.from({ length: Math.ceil(batch.total / blockJobs) }, (_, block) => block);
  const replies = (await session.redis.pipeline(blocks.map((block) => ['exists', keys.block(block)])).exec()) ?? [];
  return blocks
    .filter((block) => replies[block]?.[1] === 1)
    .map((block) => ({ first: block * blockJobs, last: Math.min((block + 1) * blockJobs, batch.total) - 1 }));
}

/** Whether all jobs of the batch have ended, by its sums alone. */
export async function hasEnded(session: Session, batch: Batch): Promise<boolean> {
  return doneCount((await session.batches.progress(batch)).counts) === batch.total;
}
