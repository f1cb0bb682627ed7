import { type Batch, eachOf } from '@omx/core';
import { type BatchStore, classesOf, globalKeys, type JobStore } from '@omx/queue';
import type { Chunk, Delivery } from '@omx/queue/delivery';

interface Stores {
  readonly batches: BatchStore;
  readonly jobs: JobStore;
  readonly delivery: Delivery;
}

/** The class of those that ask for nothing. */
const plainClass = 'any';

/**
 * Forgets placement classes that no active batch uses, with the chunks of ended batches that lie in them: such a chunk
 * leads nowhere, and where no node is of the class nobody would ever take it. Any number of workers may do so at once.
 * @param active all active batches; one that is announced and not made yet may be of any class, and stops it
 */
export async function pruneClasses(active: readonly (Batch | undefined)[], stores: Stores): Promise<void> {
  const { delivery } = stores;
  const { redis } = stores.batches;
  const known = new Set(await redis.smembers(globalKeys.classes));
  known.delete(plainClass);
  if (known.size === 0 || active.includes(undefined)) return;
  const used = new Set(active.flatMap((batch) => (batch === undefined ? [] : [...classesOf(batch)])));
  for (const each of known) {
    if (used.has(each)) continue;
    for (let chunk = await delivery.take(each); chunk !== undefined; chunk = await delivery.take(each))
      await putAside(chunk, stores);
    if (!(await delivery.isEmpty(each))) continue;
    await redis.srem(globalKeys.classes, each);
    if (await delivery.isEmpty(each)) {
      await delivery.removeTraces(each);
      await delivery.forget(each);
    }
    // A batch that was submitted or run again in this moment.
    else await redis.sadd(globalKeys.classes, each);
  }
}

/** Of an ended batch it leads nowhere; one that was run again in this moment gets it back. */
async function putAside(chunk: Chunk, { batches, jobs }: Stores): Promise<void> {
  const batch = await batches.find(chunk.batch);
  const snapshots = batch === undefined ? [] : await jobs.read(batch, [...eachOf(chunk.spans)]);
  const waiting = snapshots.some(({ job }) => job.status === 'queued');
  if (waiting) {
    await batches.offer(chunk.batch, [{ spans: chunk.spans, at: -1 }]);
    await batches.wake(chunk.batch);
  }
  await chunk.done();
}
