import type { BatchId } from '@omx/core';
import type { BatchStore } from '@omx/queue';

import type { BatchCache } from '../batch-cache.ts';

interface JobLengthsOptions {
  readonly cache: Pick<BatchCache, 'get'>;
  readonly batches: Pick<BatchStore, 'progress'>;
}

/** What is known of how long a batch's jobs run. */
export class JobLengths {
  readonly #options: JobLengthsOptions;

  constructor(options: JobLengthsOptions) {
    this.#options = options;
  }

  /** By batch: {@link JobLengths.cpuMs}, where it is known. */
  async all(batches: ReadonlySet<BatchId>): Promise<ReadonlyMap<BatchId, number>> {
    const found = await Promise.all([...batches].map(async (id) => [id, await this.cpuMs(id)] as const));
    return new Map(found.filter((each): each is readonly [BatchId, number] => each[1] !== undefined));
  }

  /**
   * CPU time of a job, milliseconds: the mean of those that have ended. Undefined before the first has, where one failed, as
   * then some may not have run to their end, and while any waits for its start or is paused: its node may get it next.
   */
  async cpuMs(id: BatchId): Promise<number | undefined> {
    const { cache, batches } = this.#options;
    const runtime = await cache.get(id);
    if (runtime === undefined) return undefined;
    const { counts, userUs, sysUs } = await batches.progress(runtime.batch);
    const { succeeded, running, frozen } = counts;
    if (succeeded === 0 || succeeded + running + frozen < runtime.batch.total) return undefined;
    return (userUs + sysUs) / 1000 / succeeded;
  }
}
