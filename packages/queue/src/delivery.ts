import { randomUUID } from 'node:crypto';

import { type BatchId, parseSpans, type Span } from '@omx/core';
import { createRedisBackend, type Job, Queue, type RedisQueueBackend, Worker } from 'bullmq';
import type { Redis } from 'ioredis';

import { batchKeys, globalKeys, prefix } from './keys.ts';
import { type QueueAddress, openConnection } from './connection.ts';
import { queueClock } from './queue-clock.ts';
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

/** Lower ranks go first; among equal ones the older batch. */
export interface ChunkHead {
  readonly rank: number;
  readonly batch: number;
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
/** A chunk whose taker died before its claim was written comes back after two to three times as long. */
const chunkLockMs = 10_000;

export class Delivery {
  readonly #redis: Redis;
  readonly #connection: Redis;
  readonly #queues = new Map<string, Queue<ChunkData>>();
  readonly #takers = new Map<string, Worker<ChunkData>>();
  readonly #token = randomUUID();
  readonly #onError: (error: Error) => void;
  #dispatching = 0;

  constructor(redis: Redis, address: QueueAddress, onError: (error: Error) => void) {
    this.#redis = redis;
    this.#connection = openConnection(address);
    this.#connection.on('error', onError);
    this.#onError = onError;
  }

  /**
   * Hands the batch's waiting chunks to the queues of their placement classes. Any number of workers may do so at once.
   * A class is made known after its chunks are there, so that who finds it empty and forgets it is put right.
   */
  async dispatch(batch: BatchId, classOf: (spans: readonly Span[]) => string, priority: number): Promise<void> {
    this.#dispatching += 1;
    try {
      await this.#dispatch(batch, classOf, priority);
    } finally {
      this.#dispatching -= 1;
    }
  }

  async #dispatch(batch: BatchId, classOf: (spans: readonly Span[]) => string, priority: number): Promise<void> {
    const keys = batchKeys(batch);
    for (;;) {
      const entries = await this.#redis.lrange(keys.outbox, 0, chunksPerTurn - 1);
      if (entries.length === 0) break;
      const classes = new Map<string, ReturnType<typeof chunkJob>[]>();
      for (const entry of entries) {
        const chunk = chunkJob(batch, entry, priority);
        const placementClass = classOf(parseSpans(chunk.data.jobs));
        const others = classes.get(placementClass);
        if (others === undefined) classes.set(placementClass, [chunk]);
        else others.push(chunk);
      }
      // A batch with chunks is active, also where its end was noted in the moment in which it was run again.
      await this.#redis.sadd(globalKeys.active, batch);
      for (const [placementClass, chunks] of classes) await this.#queue(placementClass).addBulk(chunks);
      await this.#redis.sadd(globalKeys.classes, ...classes.keys());
      const left = (await acknowledge.run(this.#redis, keys.tag, entries)) as number;
      if (left === 0) break;
    }
    await this.#redis.zrem(globalKeys.pending, batch);
    // A chunk offered between the last look and the removal must not be forgotten.
    if ((await this.#redis.llen(keys.outbox)) > 0) await this.#redis.zadd(globalKeys.pending, queueClock.now(), batch);
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
        await job.moveToCompleted(undefined, this.#token, false).catch(async (error: unknown) => {
          if (!/lock|Missing key/i.test(String(error))) throw error;
          // The lock ran out in between. The claim stands in the records, so nobody needs the chunk any more; where it
          // is somebody else's by now, that one finds nothing to take.
          await job.remove().catch(() => undefined);
        });
      },
    };
  }

  /** What would be taken next of each class; a class without a chunk that is due is left out. */
  async heads(classes: readonly string[]): Promise<Map<string, ChunkHead>> {
    const pipeline = this.#redis.pipeline();
    for (const each of classes) pipeline.zrange(keyOf(each, 'prioritized'), '0', '0', 'WITHSCORES');
    const replies = (await pipeline.exec()) ?? [];
    return new Map(
      classes.flatMap((each, at) => {
        const [id, score] = (replies[at]?.[1] ?? []) as string[];
        if (id === undefined) return [];
        // BullMQ's score: the priority, and below 2^32 a counter.
        return [[each, { rank: Math.floor(Number(score) / 2 ** 32), batch: Number(id.slice(1).split('-')[0]) }]];
      }),
    );
  }

  /** Whether no chunk of the class is there, also none that waits for its time or was taken and not claimed yet. */
  async isEmpty(placementClass: string): Promise<boolean> {
    const pipeline = this.#redis.pipeline();
    for (const list of ['wait', 'active', 'paused']) pipeline.llen(keyOf(placementClass, list));
    for (const set of ['prioritized', 'delayed']) pipeline.zcard(keyOf(placementClass, set));
    return ((await pipeline.exec()) ?? []).every(([error, count]) => error === null && count === 0);
  }

  /** Removes what BullMQ keeps of a class beside chunks. It comes again by itself where one is added. */
  async removeTraces(placementClass: string): Promise<void> {
    for (const trace of ['meta', 'events', 'marker', 'pc', 'id', 'stalled', 'stalled-check'])
      await this.#redis.del(keyOf(placementClass, trace));
  }

  /** Lets go of a class nobody uses any more. */
  async forget(placementClass: string): Promise<void> {
    const taker = this.#takers.get(placementClass);
    const queue = this.#dispatching > 0 ? undefined : this.#queues.get(placementClass);
    this.#takers.delete(placementClass);
    if (queue !== undefined) this.#queues.delete(placementClass);
    await taker?.close();
    await queue?.close();
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
      taker = new Worker<ChunkData>(
        queueName(placementClass),
        null,
        {
          connection: this.#connection,
          prefix: queuePrefix(placementClass),
          autorun: false,
          lockDuration: chunkLockMs,
          stalledInterval: chunkLockMs,
          maxStalledCount: 1_000_000,
          skipVersionCheck: true,
        },
        onQueueTime,
      );
      taker.on('error', this.#onError);
      taker.startStalledCheckTimer().catch(this.#onError);
      this.#takers.set(placementClass, taker);
    }
    return taker;
  }
}

/** Where the time stands in what BullMQ's script `moveToActive` is given: after eleven keys and the prefix. */
const timeAt = 12;

/**
 * BullMQ lets delayed jobs go by the clock of whoever looks for one, and a machine whose clock is off would do so at the
 * wrong time.
 */
function onQueueTime(...args: Parameters<typeof createRedisBackend>): RedisQueueBackend {
  const backend = createRedisBackend(...args);
  const run = backend.execCommand.bind(backend);
  backend.execCommand = (client, command, words: unknown[]) =>
    run(client, command, command === 'moveToActive' ? words.with(timeAt, queueClock.now()) : words) as unknown;
  return backend;
}

function chunkJob(batch: BatchId, entry: string, priority: number) {
  const [sequence = '', at = '0', jobs = ''] = entry.split('|');
  const now = queueClock.now();
  const delay = Math.max(0, Number(at) - now);
  return {
    name: 'chunk',
    data: { batch, jobs },
    opts: {
      jobId: `${batch}-${sequence}`,
      timestamp: now,
      priority: Math.min(2 ** 21, Math.max(1, middlePriority - 2 * priority - (Number(at) < 0 ? 1 : 0))),
      ...(delay > 0 ? { delay } : {}),
    },
  };
}

/** BullMQ forbids `:` in names; the class text has none. */
function queueName(placementClass: string): string {
  return `chunks-${placementClass}`;
}

function keyOf(placementClass: string, what: string): string {
  return `${queuePrefix(placementClass)}:${queueName(placementClass)}:${what}`;
}

/** One hash tag a class, so that BullMQ's scripts stay in one slot of a cluster. */
function queuePrefix(placementClass: string): string {
  return `{${prefix}:q:${placementClass}}`;
}
