import { type Batch, type BatchId, doneCount, type Span } from '@omx/core';
import {
  batchKeys,
  type BatchStore,
  globalKeys,
  type JobStore,
  orderJobs,
  chunkRequirement,
  placementClass,
  queueClock,
  type WriteResult,
} from '@omx/queue';
import type { Delivery } from '@omx/queue/delivery';
import type { Logger } from 'pino';

import type { BatchCache } from './batch-cache.ts';
import { pruneClasses } from './class-pruning.ts';
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
  /** A batch has had too many failures; the last chance to find that they were the node's. */
  beforeStop: () => Promise<void> = async () => {};

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
    let batch = (await cache.get(id))?.batch;
    if (batch === undefined) return;
    const keys = batchKeys(id);
    const [chunks, revisions] = await Promise.all([
      batches.redis.llen(keys.outbox),
      batches.redis.llen(keys.revisions),
    ]);
    if (chunks === 0) {
      if (batch.spec.after.length > 0 && batch.untouched === 'held') await this.#checkWaiting();
      return;
    }
    // What a rerun changed may send a job to other nodes.
    if (revisions !== batch.revisions.length) batch = (await cache.reload(id))?.batch ?? batch;
    const known = batch;
    const classOf = (spans: readonly Span[]): string => placementClass(chunkRequirement(known, spans));
    await delivery.dispatch(id, classOf, batch.spec.priority);
  }

  /** Does so for chunks that this node has put there; whoever has room then looks for them, this node included. */
  async handOut(id: BatchId): Promise<void> {
    await this.dispatch(id);
    await this.#options.batches.wake(id, 'queued');
  }

  /** Looks after everything that may have been left undone. */
  async sweep(): Promise<void> {
    const { batches } = this.#options;
    for (const id of (await batches.redis.zrange(globalKeys.pending, '0', '99')) as BatchId[]) {
      await this.dispatch(id);
      await this.#dropIfEmpty(id);
    }
    await this.#checkWaiting();
    const active = await Promise.all((await batches.active()).map(async (id) => batches.find(id)));
    for (const batch of active) if (batch !== undefined) await this.#mend(batch);
    await pruneClasses(active, this.#options);
  }

  async #after(id: BatchId, result: WriteResult): Promise<void> {
    const { batches, cache } = this.#options;
    if (result.offered > 0) await this.handOut(id);
    const batch = (await cache.get(id))?.batch;
    if (batch === undefined) return;
    if (result.failed > 0 && tooManyFailures(batch, result.failed)) {
      await this.beforeStop();
      const { counts } = await batches.progress(batch);
      const failed = counts.failed + counts.lost;
      if (tooManyFailures(batch, failed)) await this.#stopEarly(batch, failed);
    }
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
      job.status === 'queued' || job.status === 'held'
        ? { type: 'cancel', by: 'policy', at: queueClock.now() }
        : undefined,
    );
    await cache.reload(batch.id);
    // Nodes let go of what they have claimed and not started.
    await batches.wake(batch.id, 'change');
    if (changed !== undefined || more.length > 0) await batches.addNote(batch.id, note);
    if (changed?.finished === true) await this.#finish(batch);
  }

  async #finish(batch: Batch): Promise<void> {
    const { batches } = this.#options;
    await batches.redis.srem(globalKeys.active, batch.id);
    const { counts } = await batches.progress(batch);
    // Run again in this moment: what is not active is not freed from a node that dies.
    if (doneCount(counts) < batch.total) await batches.redis.sadd(globalKeys.active, batch.id);
    // How long its jobs take can only be learned from those that succeeded.
    else if (counts.succeeded > 0) await batches.redis.set(globalKeys.named(batch.spec.name), batch.id);
    await this.#checkWaiting();
  }

  async #checkWaiting(): Promise<void> {
    await this.#options.dependencies.check(async (waiting) => this.#release(waiting));
  }

  async #release(batch: Batch): Promise<void> {
    const { batches, jobs } = this.#options;
    await batches.changeUntouched(batch, 'queued', '', await orderJobs(batches, jobs, batch));
  }

  /** A batch whose last write was made by a worker that died before it handed out the chunks, or before the steps above. */
  async #mend(batch: Batch): Promise<void> {
    const { batches } = this.#options;
    if ((await batches.redis.llen(batchKeys(batch.id).outbox)) > 0) await this.dispatch(batch.id);
    const { counts } = await batches.progress(batch);
    if (doneCount(counts) === batch.total) await this.#finish(batch);
  }

  async #dropIfEmpty(id: BatchId): Promise<void> {
    const { redis } = this.#options.batches;
    const score = Number((await redis.zscore(globalKeys.pending, id)) ?? queueClock.now());
    // Announced long ago and still nothing there: its submitter died before it was made.
    if (queueClock.now() - score > 60_000 && (await redis.exists(batchKeys(id).meta)) === 0) {
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
