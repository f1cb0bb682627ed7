import { type Batch, type Span, spanSize } from '@omx/core';
import { batchKeys, blockJobs, type JobSnapshot } from '@omx/queue';

import type { Session } from '../session.ts';

/** With no more open jobs than this in a block, they are read one by one instead of the whole block. */
const fewJobs = 32;

/** The selected jobs of a batch that are still of interest. Keeps one byte a job, and reads only blocks that need it. */
export class JobWatch {
  readonly #session: Session;
  #batch: Batch;
  readonly #open: Uint8Array;
  /** Block → how many of its jobs are open. */
  readonly #blocks = new Map<number, number>();

  constructor(session: Session, batch: Batch, spans: readonly Span[]) {
    this.#session = session;
    this.#batch = batch;
    this.#open = new Uint8Array(batch.total);
    for (const span of spans) {
      const low = Math.min(span.first, span.last);
      this.#open.fill(1, low, low + spanSize(span));
    }
    for (let block = 0; block * blockJobs < batch.total; block += 1) {
      const count = this.#open
        .subarray(block * blockJobs, (block + 1) * blockJobs)
        .reduce((sum, open) => sum + open, 0);
      if (count > 0) this.#blocks.set(block, count);
    }
  }

  get batch(): Batch {
    return this.#batch;
  }

  get isDone(): boolean {
    return this.#blocks.size === 0;
  }

  isOpen(ordinal: number): boolean {
    return this.#open[ordinal] === 1;
  }

  /** The job is of no more interest. */
  close(ordinal: number): void {
    if (!this.isOpen(ordinal)) return;
    this.#open[ordinal] = 0;
    const block = Math.floor(ordinal / blockJobs);
    const left = (this.#blocks.get(block) ?? 1) - 1;
    if (left === 0) this.#blocks.delete(block);
    else this.#blocks.set(block, left);
  }

  /** Open jobs as they are now. Of blocks nobody has touched nothing is read: their jobs wait. */
  async *look(): AsyncGenerator<JobSnapshot[]> {
    const { redis, batches, jobs } = this.#session;
    const untouched = await redis.hget(batchKeys(this.#batch.id).meta, 'untouched');
    if (untouched !== this.#batch.untouched) this.#batch = await batches.load(this.#batch.id);
    const few: number[] = [];
    const whole: number[] = [];
    for (const [block, count] of this.#blocks) {
      if (count > fewJobs) whole.push(block);
      else if (few.length < blockJobs) few.push(...this.#openIn(block));
      else whole.push(block);
    }
    if (few.length > 0) yield await jobs.read(this.#batch, few);
    for (const block of await this.#touched(whole)) {
      const span = { first: block * blockJobs, last: Math.min(this.#batch.total, (block + 1) * blockJobs) - 1 };
      for await (const snapshots of jobs.scan(this.#batch, [span]))
        yield snapshots.filter(({ ordinal }) => this.isOpen(ordinal));
    }
  }

  async #touched(blocks: readonly number[]): Promise<number[]> {
    // Cancelled as a whole: jobs have ended that nobody has touched.
    if (this.#batch.untouched === 'cancelled' || blocks.length < 3) return [...blocks];
    const keys = batchKeys(this.#batch.id);
    const replies =
      (await this.#session.redis.pipeline(blocks.map((block) => ['exists', keys.block(block)])).exec()) ?? [];
    return blocks.filter((_, at) => replies[at]?.[1] === 1);
  }

  #openIn(block: number): number[] {
    const ordinals: number[] = [];
    for (let ordinal = block * blockJobs; ordinal < (block + 1) * blockJobs; ordinal += 1)
      if (this.isOpen(ordinal)) ordinals.push(ordinal);
    return ordinals;
  }
}
