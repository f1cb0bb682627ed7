import type { Batch, BatchId } from '@omx/core';
import type { Redis } from 'ioredis';

import { decodePack, decodeRows, type JobRows, type PackedOutput } from './codec/pack.ts';
import { batchKeys } from './keys.ts';

/** Outputs and rows as workers have packed them. */
export class OutputStore {
  readonly #redis: Redis;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  async pack(id: BatchId, number: number): Promise<PackedOutput[]> {
    const stored = await this.#redis.lindexBuffer(batchKeys(id).packs, number);
    return stored === null ? [] : decodePack(stored);
  }

  /** One attempt's output from the pack its record names. */
  async find(id: BatchId, pack: number, ordinal: number, attempt: number): Promise<PackedOutput | undefined> {
    const outputs = await this.pack(id, pack);
    return outputs.find((output) => output.ordinal === ordinal && output.attempt === attempt);
  }

  /** Packs from a place in the list on, for readers that follow a batch; each is one write of a worker. */
  async packsFrom(id: BatchId, from: number, count: number): Promise<PackedOutput[][]> {
    const stored = await this.#redis.lrangeBuffer(batchKeys(id).packs, from, from + count - 1);
    return stored.map(decodePack);
  }

  async packCount(id: BatchId): Promise<number> {
    return this.#redis.llen(batchKeys(id).packs);
  }

  /** Rows of the newest attempt of each job, in the order of the jobs. */
  async rows(batch: Batch): Promise<JobRows[]> {
    const newest = new Map<number, JobRows>();
    for (let from = 0; ; from += 500) {
      const stored = await this.#redis.lrangeBuffer(batchKeys(batch.id).rows, from, from + 499);
      for (const pack of stored) {
        for (const job of decodeRows(pack)) {
          const known = newest.get(job.ordinal);
          if (known === undefined || known.attempt <= job.attempt) newest.set(job.ordinal, job);
        }
      }
      if (stored.length < 500) break;
    }
    return [...newest.values()].sort((a, b) => a.ordinal - b.ordinal);
  }
}
