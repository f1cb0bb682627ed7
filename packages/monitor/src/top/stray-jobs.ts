import type { Batch, BatchId } from '@omx/core';

import type { TopSources } from './sampler.ts';

const pauseMs = 5000;
/** A search may take so small a part of the time: reading a million records takes a second. */
const shareOfTime = 0.1;
const mostOfABatch = 1000;

/** Jobs that run on nodes that do not answer, or are frozen: only the records know of them. Searched for seldom. */
export class StrayJobs {
  readonly #sources: Pick<TopSources, 'jobs' | 'touchedSpans'>;
  readonly #known = new Map<BatchId, { readonly ordinals: readonly number[]; readonly until: number }>();

  constructor(sources: Pick<TopSources, 'jobs' | 'touchedSpans'>) {
    this.#sources = sources;
  }

  /** The jobs of the batch whose records said at the last search that they run. */
  async find(batch: Batch, now: number): Promise<readonly number[]> {
    const known = this.#known.get(batch.id);
    if (known !== undefined && now < known.until) return known.ordinals;
    const began = performance.now();
    const ordinals: number[] = [];
    search: for await (const snapshots of this.#sources.jobs.scan(batch, await this.#sources.touchedSpans(batch))) {
      for (const { job, ordinal } of snapshots) {
        if (job.status !== 'running' && job.status !== 'paused' && job.status !== 'frozen') continue;
        ordinals.push(ordinal);
        if (ordinals.length >= mostOfABatch) break search;
      }
    }
    const tookMs = performance.now() - began;
    this.#known.set(batch.id, { ordinals, until: now + Math.max(pauseMs, tookMs / shareOfTime) });
    return ordinals;
  }
}
