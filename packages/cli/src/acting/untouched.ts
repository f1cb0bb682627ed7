import { type Batch, doneCount, freshJob, type Job, noOutput, noUsage, type Span, type Untouched } from '@omx/core';
import { batchKeys, blockJobs, orderJobs } from '@omx/queue';

import type { Session } from '../session.ts';
import type { Target } from './selected.ts';

/** Whether the target takes in all jobs of its batch that nobody has touched, if those are so: they change in one step. */
export function takesUntouched(target: Target, state: Untouched): boolean {
  return target.whole && target.passes(untouchedJob(state));
}

/** What a job is that nobody has touched. */
export function untouchedJob(state: Untouched): Job {
  if (state !== 'cancelled') return freshJob(state, 0);
  return {
    ...freshJob('queued', 0),
    status: 'ended',
    outcome: { kind: 'cancelled', by: 'user' },
    endedAt: 0,
    usage: noUsage,
    output: noOutput,
  };
}

/**
 * Changes what the jobs of a batch are that nobody has touched yet, in one step however many they are, and again where
 * somebody else was faster.
 * @param from what they may be now; anything else stays
 * @param order the jobs to offer in the same step
 * @param order the jobs to offer to the nodes with it
 * @returns the batch as it is then, and the number of jobs changed
 */
export async function changeUntouched(
  session: Session,
  batch: Batch,
  from: readonly Untouched[],
  to: Untouched,
  note: string,
  order: readonly Span[] = [],
): Promise<{ readonly batch: Batch; readonly changed: number }> {
  for (let current = batch; ; current = await session.batches.load(batch.id)) {
    if (!from.includes(current.untouched)) return { batch: current, changed: 0 };
    const done = await session.batches.changeUntouched(current, to, note, order);
    if (done === undefined) continue;
    await session.batches.wake(batch.id, 'change');
    return { batch: { ...current, untouched: to, note }, changed: done.changed };
  }
}

/**
 * Lets go the jobs nobody has touched, and puts them on their way to the nodes in the same step: chunks offered before
 * were passed over.
 */
export async function releaseUntouched(
  session: Session,
  batch: Batch,
  from: 'held' | 'cancelled',
): Promise<{ readonly batch: Batch; readonly changed: number }> {
  if (batch.untouched !== from) return { batch, changed: 0 };
  const order = await orderJobs(session.batches, session.jobs, batch);
  return changeUntouched(session, batch, [from], 'queued', '', order);
}

/**
 * The jobs of a target that have records of their own, and some beside them: of a million jobs of which ten were begun,
 * few. For a whole batch whose untouched jobs are dealt with.
 */
export async function touchedSpans(
  session: Session,
  target: Pick<Target, 'batch' | 'spans' | 'whole'>,
): Promise<readonly Span[]> {
  if (!target.whole) return target.spans;
  const { id, total } = target.batch;
  const keys = batchKeys(id);
  const blocks = Array.from({ length: Math.ceil(total / blockJobs) }, (_, block) => block);
  const replies = (await session.redis.pipeline(blocks.map((block) => ['exists', keys.block(block)])).exec()) ?? [];
  return blocks
    .filter((block) => replies[block]?.[1] === 1)
    .map((block) => ({ first: block * blockJobs, last: Math.min((block + 1) * blockJobs, total) - 1 }));
}

/** Whether all jobs of the batch have ended, by its sums alone. */
export async function hasEnded(session: Session, batch: Batch): Promise<boolean> {
  return doneCount((await session.batches.progress(batch)).counts) === batch.total;
}
