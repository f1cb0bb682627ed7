import { type Batch, type BatchId, formatSpans, spansOf } from '@omx/core';
import { type BatchStore, blockJobs, ExcuseStore, type JobStore, queueClock } from '@omx/queue';

import type { Failure } from './streak.ts';

/** A job is excused so often; one that still fails at once may be what breaks nodes. */
const excuseLimit = 3;

/** What was excused of a batch: job by ordinal → its attempt. */
export interface Excused {
  readonly batch: Batch;
  readonly attempts: ReadonlyMap<number, number>;
}

/**
 * Takes failures back that were the node's and not the jobs': they are queued again at once, with the retries they had.
 * A job that has begun a newer attempt meanwhile is left alone, and so is a batch that has been cancelled.
 */
export async function excuse(
  stores: { readonly batches: BatchStore; readonly jobs: JobStore },
  node: string,
  reason: string,
  failures: readonly Failure[],
): Promise<Excused[]> {
  const all: Excused[] = [];
  for (const [id, ofBatch] of byBatch(failures)) {
    const batch = await stores.batches.find(id);
    if (batch === undefined || batch.untouched === 'cancelled') continue;
    const attempts = await excuseIn(stores, batch, node, ofBatch);
    if (attempts.size === 0) continue;
    const indexes = new Map(ofBatch.map(({ ordinal, index }) => [ordinal, index]));
    const spans = spansOf([...attempts.keys()].map((ordinal) => indexes.get(ordinal) ?? ordinal).sort((a, b) => a - b));
    await stores.batches.addNote(
      id,
      `node ${node} is in quarantine: ${reason}; not counted and queued again: ${id}.${formatSpans(spans.slice(0, 20))}${spans.length > 20 ? ',…' : ''}`,
    );
    await stores.batches.wake(id);
    all.push({ batch, attempts });
  }
  return all;
}

function byBatch(failures: readonly Failure[]): Map<BatchId, Failure[]> {
  const batches = new Map<BatchId, Failure[]>();
  for (const failure of failures) {
    const known = batches.get(failure.batch);
    if (known === undefined) batches.set(failure.batch, [failure]);
    else known.push(failure);
  }
  return batches;
}

/** @returns the newest attempt of each job excused, by ordinal */
async function excuseIn(
  { batches, jobs }: { readonly batches: BatchStore; readonly jobs: JobStore },
  batch: Batch,
  node: string,
  failures: readonly Failure[],
): Promise<Map<number, number>> {
  const store = new ExcuseStore(batches.redis);
  const ofJob = new Map<number, Failure[]>();
  for (const failure of failures) ofJob.set(failure.ordinal, [...(ofJob.get(failure.ordinal) ?? []), failure]);
  const ordinals = [...ofJob.keys()].sort((a, b) => a - b);
  const times = await store.times(batch.id, ordinals);
  for (const [at, ordinal] of ordinals.entries()) if ((times[at] ?? 0) >= excuseLimit) ofJob.delete(ordinal);
  const changed = await jobs.apply(
    batch,
    spansByBlock(ordinals.filter((ordinal) => ofJob.has(ordinal))),
    (_, ordinal) => {
      const own = ofJob.get(ordinal);
      if (own === undefined) return undefined;
      const attempt = Math.max(...own.map((failure) => failure.attempt));
      return { type: 'excuse', attempt, retries: own.filter(({ retried }) => retried).length, at: queueClock.now() };
    },
    { offer: true },
  );
  const excuses = changed.map((ordinal) => ({
    ordinal,
    attempts: (ofJob.get(ordinal) ?? []).map(({ attempt }) => attempt),
  }));
  if (excuses.length > 0) await store.keep(batch.id, excuses, node);
  return new Map(excuses.map(({ ordinal, attempts }) => [ordinal, Math.max(...attempts)]));
}

/** One span a block, as a block is read once for each span. */
function spansByBlock(ascending: readonly number[]): { first: number; last: number }[] {
  const spans: { first: number; last: number }[] = [];
  for (const ordinal of ascending) {
    const open = spans.at(-1);
    if (open !== undefined && Math.floor(open.first / blockJobs) === Math.floor(ordinal / blockJobs))
      open.last = ordinal;
    else spans.push({ first: ordinal, last: ordinal });
  }
  return spans;
}
