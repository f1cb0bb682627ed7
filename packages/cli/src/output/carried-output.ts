import type { BatchId } from '@omx/core';
import { MoveLog, type Redis } from '@omx/queue';

import type { StreamName } from './attempt-output.ts';

type Offsets = Record<StreamName, number>;

/**
 * How much was printed of attempts that were lost: the next one may go on from an image, and then its output begins with
 * what was printed already.
 */
export class CarriedOutput {
  readonly #redis: Redis;
  readonly #batch: BatchId;
  /** By ordinal. */
  readonly #lost = new Map<number, Offsets>();

  constructor(redis: Redis, batch: BatchId) {
    this.#redis = redis;
    this.#batch = batch;
  }

  /** An attempt of the job is lost. */
  lost(ordinal: number, printed: Offsets): void {
    this.#lost.set(ordinal, printed);
  }

  /** What is printed already of an attempt that begins; undefined where it does not go on with a lost one. */
  async into(ordinal: number, attempt: number): Promise<Offsets | undefined> {
    const lost = this.#lost.get(ordinal);
    if (lost === undefined) return undefined;
    const entries = await new MoveLog(this.#redis).ofJob(this.#batch, ordinal);
    const isResumed = entries.some((entry) => 'did' in entry && entry.did === 'resumed' && entry.attempt === attempt);
    return isResumed ? lost : undefined;
  }
}
