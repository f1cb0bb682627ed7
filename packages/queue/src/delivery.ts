import { randomUUID } from 'node:crypto';

import { type BatchId, parseSpans, type Span } from '@omx/core';
import { type Job, Queue, Worker } from 'bullmq';
import type { Redis } from 'ioredis';

import { batchKeys, globalKeys, prefix } from './keys.ts';
import { type QueueAddress, openConnection } from './connection.ts';
import { Script } from './script.ts';
import { acknowledgeChunks } from './scripts/batch-scripts.ts';

/**
 * Chunks on their way to workers: the one place where BullMQ is used. A chunk is an *offer* of jobs; the batch's own
 * records decide which of them are still to be had. So a chunk may be delivered twice, or late, without harm, and is
 * done with as soon as its taker has written its claim: BullMQ never holds a chunk while processes run.
 *
 * outbox (in the batch, written with it) → BullMQ queue of the placement class → a worker with room
 *
 * A crash before the outbox is acknowledged delivers the chunk again; one after taking and before the claim lets
 * BullMQ return it (`stalledInterval`).
 */
export interface Chunk {
  readonly batch: BatchId;
  readonly spans: readonly Span[];
  /** Tells the queue that the claim is written. */
  done(): Promise<void>;
}

interface ChunkData {
  readonly batch: BatchId;
  readonly jobs: string;
}

/**
 * User priorities (higher first) lie around this; BullMQ counts from 1 (first) to 2^21. Each has two steps, so that
 * the rest of a chunk goes before the chunks behind it.
 */
const middlePriority = 2 ** 20;
const acknowledge = new Script(acknowledgeChunks);
const chunksPerTurn = 500;

export class Delivery {
  readonly #redis: Redis;
  readonly #connection: Redis;
  readonly #queues = new Map<string, Queue<ChunkData>>();
  readonly #takers = new Map<string, Worker<ChunkData>>();
  readonly #token = randomUUID();
  readonly #onError: (error: Error) => void;

  constructor(redis: Redis, address: QueueAddress, onError: (error: Error) => void) {
    this.#redis = redis;
    this.#connection = openConnection(address);
    this.#connection.on('error', onError);
    this.#onError = onError;
  }

  /** Hands the batch's waiting chunks to the queue. Any number of workers may do so at once. */
  async dispatch(batch: BatchId, placementClass: string, priority: number): Promise<void> {
    const keys = batchKeys(batch);
    for (;;) {
      const entries = await this.#redis.lrange(keys.outbox, 0, chunksPerTurn - 1);
      if (entries.length === 0) break;
      await this.#queue(placementClass).addBulk(entries.map((entry) => chunkJob(batch, entry, priority)));
      const left = (await acknowledge.run(this.#redis, keys.tag, entries)) as number;
      if (left === 0) break;
    }
    await this.#redis.zrem(globalKeys.pending, batch);
    // A chunk offered between the last look and the removal must not be forgotten.
    if ((await this.#redis.llen(keys.outbox)) > 0) await this.#redis.zadd(globalKeys.pending, Date.now(), batch);
  }

  /** The next chunk of the class, if there is one now. */
  async take(placementClass: string): Promise<Chunk | undefined> {
    const job = (await this.#taker(placementClass).getNextJob(this.#token, { block: false })) as
      | Job<ChunkData>
      | undefined;
    if (job === undefined) return undefined;
    return {
      batch: job.data.batch,
      spans: parseSpans(job.data.jobs),
      done: async () => {
        await job.moveToCompleted(undefined, this.#token, false).catch((error: unknown) => {
          // The lock ran out in between and the chunk is offered again: harmless, the claim stands in the records.
          if (!/lock|Missing key/i.test(String(error))) throw error;
        });
      },
    };
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.#takers.values()].map((taker) => taker.close(true)));
    await Promise.allSettled([...this.#queues.values()].map((queue) => queue.close()));
    this.#connection.disconnect();
  }

  #queue(placementClass: string): Queue<ChunkData> {
    let queue = this.#queues.get(placementClass);
    if (queue === undefined) {
      queue = new Queue<ChunkData>(queueName(placementClass), {
        connection: this.#connection,
        prefix: queuePrefix(placementClass),
        defaultJobOptions: { removeOnComplete: true, removeOnFail: true },
        skipVersionCheck: true,
        streams: { events: { maxLen: 10 } },
      });
      queue.on('error', this.#onError);
      this.#queues.set(placementClass, queue);
    }
    return queue;
  }

  #taker(placementClass: string): Worker<ChunkData> {
    let taker = this.#takers.get(placementClass);
    if (taker === undefined) {
      taker = new Worker<ChunkData>(queueName(placementClass), null, {
        connection: this.#connection,
        prefix: queuePrefix(placementClass),
        autorun: false,
        lockDuration: 30_000,
        maxStalledCount: 1_000_000,
        skipVersionCheck: true,
      });
      taker.on('error', this.#onError);
      taker.startStalledCheckTimer().catch(this.#onError);
      this.#takers.set(placementClass, taker);
    }
    return taker;
  }
}

function chunkJob(batch: BatchId, entry: string, priority: number) {
  const [sequence = '', at = '0', jobs = ''] = entry.split('|');
  const delay = Math.max(0, Number(at) - Date.now());
  return {
    name: 'chunk',
    data: { batch, jobs },
    opts: {
      jobId: `${batch}-${sequence}`,
      priority: Math.min(2 ** 21, Math.max(1, middlePriority - 2 * priority - (Number(at) < 0 ? 1 : 0))),
      ...(delay > 0 ? { delay } : {}),
    },
  };
}

/** BullMQ forbids `:` in names; the class text has none. */
function queueName(placementClass: string): string {
  return `chunks-${placementClass}`;
}

/** One hash tag a class, so that BullMQ's scripts stay in one slot of a cluster. */
function queuePrefix(placementClass: string): string {
  return `{${prefix}:q:${placementClass}}`;
}
