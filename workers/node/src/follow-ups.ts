import { type Batch, type BatchId, doneCount } from '@omx/core';
import {
  batchKeys,
  type BatchStore,
  globalKeys,
  type JobStore,
  orderJobs,
  placementClass,
  type WriteResult,
} from '@omx/queue';
import type { Delivery } from '@omx/queue/delivery';
import type { Logger } from 'pino';

import type { BatchCache } from './batch-cache.ts';
import type { Dependencies } from './dependencies.ts';

interface FollowUpsOptions {
  readonly batches: BatchStore;
  readonly jobs: JobStore;
  readonly cache: BatchCache;
  readonly delivery: Delivery;
  readonly dependencies: Dependencies;
  readonly log: Logger;
}

/**
 * What follows from a write: chunks to hand out, a batch that has had too many failures, one that has ended, others
 * that waited for it. Every step may be done twice, and the sweep does again what a crash left undone.
 */
export class FollowUps {
  readonly #options: FollowUpsOptions;

  constructor(options: FollowUpsOptions) {
    this.#options = options;
  }

  afterWrite(id: BatchId, result: WriteResult): void {
    this.#after(id, result).catch((error: unknown) =>
      this.#options.log.error({ err: error, batch: id }, 'what follows from an end was not done'),
    );
  }

  /** Hands the batch's waiting chunks to the queue; one that waits for others has none, and is asked whether they have ended. */
  async dispatch(id: BatchId): Promise<void> {
    const { batches, cache, delivery } = this.#options;
    const batch = (await cache.get(id))?.batch;
    if (batch === undefined) return;
    if ((await batches.redis.llen(batchKeys(id).outbox)) === 0) {
      if (batch.spec.after.length > 0 && batch.untouched === 'held') await this.#checkWaiting();
      return;
    }
    await delivery.dispatch(id, placementClass(batch.spec), batch.spec.priority);
  }

  /** Looks after everything that may have been left undone. */
  async sweep(): Promise<void> {
    const { batches } = this.#options;
    for (const id of (await batches.redis.zrange(globalKeys.pending, '0', '99')) as BatchId[]) {
      await this.dispatch(id);
      await this.#dropIfEmpty(id);
    }
    await this.#checkWaiting();
    for (const id of await batches.active()) await this.#closeIfDone(id);
  }

  async #after(id: BatchId, result: WriteResult): Promise<void> {
    const { batches, cache } = this.#options;
    if (result.outboxLength > 0) {
      await this.dispatch(id);
      // Whoever has room looks, this node included.
      await batches.wake(id, 'chunks');
    }
    const batch = (await cache.get(id))?.batch;
    if (batch === undefined) return;
    if (result.failed > 0 && tooManyFailures(batch, result.failed)) await this.#stopEarly(batch, result.failed);
    if (result.finished) await this.#finish(batch);
  }

  async #stopEarly(batch: Batch, failed: number): Promise<void> {
    const { batches, jobs, cache } = this.#options;
    const current = await batches.load(batch.id);
    const note = `cancelled: ${failed} jobs have failed, more than --max-fails allows`;
    const changed =
      current.untouched === 'cancelled' ? undefined : await batches.changeUntouched(current, 'cancelled', note);
    const fresh = await batches.load(batch.id);
    const more = await jobs.apply(fresh, [{ first: 0, last: batch.total - 1 }], (job) =>
      job.status === 'queued' || job.status === 'held' ? { type: 'cancel', by: 'policy', at: Date.now() } : undefined,
    );
    await cache.reload(batch.id);
    // Nodes let go of what they have claimed and not started.
    await batches.wake(batch.id, 'change');
    if (changed !== undefined || more.length > 0) await batches.addNote(batch.id, note);
    if (changed?.finished === true) await this.#finish(batch);
  }

  async #finish(batch: Batch): Promise<void> {
    const { batches } = this.#options;
    await batches.redis
      .pipeline()
      .srem(globalKeys.active, batch.id)
      .set(globalKeys.named(batch.spec.name), batch.id)
      .exec();
    await this.#checkWaiting();
  }

  async #checkWaiting(): Promise<void> {
    await this.#options.dependencies.check(async (waiting) => this.#release(waiting));
  }

  async #release(batch: Batch): Promise<void> {
    const { batches, jobs } = this.#options;
    await batches.changeUntouched(batch, 'queued', '', await orderJobs(batches, jobs, batch.spec, batch.total));
  }

  /** A batch whose last write was made by a worker that died before the steps above. */
  async #closeIfDone(id: BatchId): Promise<void> {
    const { batches } = this.#options;
    const batch = await batches.find(id);
    if (batch === undefined) return;
    const { counts } = await batches.progress(batch);
    if (doneCount(counts) === batch.total) await this.#finish(batch);
  }

  async #dropIfEmpty(id: BatchId): Promise<void> {
    const { redis } = this.#options.batches;
    const score = Number((await redis.zscore(globalKeys.pending, id)) ?? Date.now());
    // Announced long ago and still nothing there: its submitter died before it was made.
    if (Date.now() - score > 60_000 && (await redis.exists(batchKeys(id).meta)) === 0) {
      await redis
        .pipeline()
        .zrem(globalKeys.pending, id)
        .srem(globalKeys.active, id)
        .srem(globalKeys.waiting, id)
        .exec();
    } else if ((await redis.exists(batchKeys(id).meta)) === 1 && (await redis.llen(batchKeys(id).outbox)) === 0) {
      await redis.zrem(globalKeys.pending, id);
    }
  }
}

function tooManyFailures(batch: Batch, failed: number): boolean {
  const { maxFails } = batch.spec;
  if (maxFails === undefined) return false;
  return 'count' in maxFails ? failed > maxFails.count : failed * 100 > maxFails.percent * batch.total;
}
