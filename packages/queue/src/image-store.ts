import type { Batch, BatchId } from '@omx/core';
import type { Redis } from 'ioredis';

import { batchKeys } from './keys.ts';
import { Script } from './script.ts';
import { removeIfSame } from './scripts/node-scripts.ts';

const removing = new Script(removeIfSame);

/** A complete image of a job, from which it can go on should its node die. */
export interface StoredImage {
  /** The node that keeps it, or the folder that all nodes see: its path begins with a slash, as no node's name does. */
  readonly node: string;
  /** Of the attempt it is of. */
  readonly attempt: number;
  /** SHA-256 of its manifest, hex: whoever thaws it compares, as the files themselves may have been changed. */
  readonly digest: string;
  readonly bytes: number;
  /** When it was made, milliseconds since the epoch. */
  readonly at: number;
}

/** The newest image of each job that has one. */
export class ImageStore {
  readonly #redis: Redis;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  async put(batch: BatchId, ordinal: number, image: StoredImage): Promise<void> {
    await this.#redis.hset(batchKeys(batch).images, String(ordinal), JSON.stringify(image));
  }

  async get(batch: BatchId, ordinal: number): Promise<StoredImage | undefined> {
    const text = await this.#redis.hget(batchKeys(batch).images, String(ordinal));
    return text === null ? undefined : (JSON.parse(text) as StoredImage);
  }

  /** @returns by ordinal */
  async all(batch: Pick<Batch, 'id'>): Promise<Map<number, StoredImage>> {
    const entries = Object.entries(await this.#redis.hgetall(batchKeys(batch.id).images));
    return new Map(entries.map(([ordinal, text]) => [Number(ordinal), JSON.parse(text) as StoredImage]));
  }

  /** Removes the entry, unless there is a newer one by now. */
  async remove(batch: BatchId, ordinal: number, image: StoredImage): Promise<void> {
    await removing.run(this.#redis, batchKeys(batch).images, [String(ordinal), JSON.stringify(image)]);
  }
}
