import type { BatchId } from '@omx/core';
import type { Redis } from 'ioredis';

import { batchKeys } from './keys.ts';

/** Failed attempts of one job that are not counted. */
export interface Excuse {
  readonly ordinal: number;
  readonly attempts: readonly number[];
}

/** Which failed attempts of a batch do not count, as the node that ran them was found to be broken. */
export class ExcuseStore {
  readonly #redis: Redis;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  async keep(batch: BatchId, excuses: readonly Excuse[], node: string): Promise<void> {
    const key = batchKeys(batch).excused;
    const pipeline = this.#redis.pipeline();
    for (const { ordinal, attempts } of excuses) {
      for (const attempt of attempts) pipeline.hset(key, `${ordinal}#${attempt}`, node);
      pipeline.hincrby(key, String(ordinal), 1);
    }
    await pipeline.exec();
  }

  /** How often attempts of each of these jobs were excused. */
  async times(batch: BatchId, ordinals: readonly number[]): Promise<number[]> {
    if (ordinals.length === 0) return [];
    return (await this.#redis.hmget(batchKeys(batch).excused, ...ordinals.map(String))).map(Number);
  }

  /** The excused ones among a job's first attempts, with the node whose fault it was. */
  async ofJob(batch: BatchId, ordinal: number, newest: number): Promise<Map<number, string>> {
    const attempts = Array.from({ length: newest }, (_, at) => at + 1);
    if (attempts.length === 0) return new Map();
    const nodes = await this.#redis.hmget(batchKeys(batch).excused, ...attempts.map((each) => `${ordinal}#${each}`));
    return new Map(
      attempts.flatMap((attempt, at) => {
        const node = nodes[at] ?? undefined;
        return node === undefined ? [] : [[attempt, node]];
      }),
    );
  }
}
