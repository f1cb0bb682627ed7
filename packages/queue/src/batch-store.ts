import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { deflateRawSync, inflateRawSync } from 'node:zlib';

import {
  type Batch,
  type BatchId,
  type BatchProgress,
  type BatchSpec,
  batchId,
  type Bytes,
  countSpans,
  ExitCode,
  formatSpans,
  type Item,
  OmxError,
  type Revision,
  splitSpans,
  type Span,
  type Untouched,
  untouchedStates,
  zeroCounts,
} from '@omx/core';
import type { Redis } from 'ioredis';

import { decodeItems, encodeItems, itemsPerBlock } from './codec/items.ts';
import { classState, recordClasses } from './codec/record.ts';
import { batchKeys, globalKeys } from './keys.ts';
import { placementClass, requirementOf } from './placement.ts';
import { queueClock } from './queue-clock.ts';
import { Script } from './script.ts';
import { changeUntouched, createBatch, nodeNumber, offerChunks } from './scripts/batch-scripts.ts';

const scripts = {
  create: new Script(createBatch),
  offer: new Script(offerChunks),
  untouched: new Script(changeUntouched),
  node: new Script(nodeNumber),
};

export interface NewBatch {
  readonly spec: BatchSpec;
  readonly total: number;
  readonly items?: readonly Item[];
  /** All jobs by ordinal, in the order in which they are to run; none while the batch is held. */
  readonly order: readonly Span[];
  readonly untouched: 'queued' | 'held';
  /** Why the batch is held, for `omx why`. */
  readonly note?: string;
}

/** Chunks are to be handed out · they are to be had · a user asked something of running jobs · the batch's record has changed. */
export type WakeReason = 'chunks' | 'queued' | 'wish' | 'change';

/**
 * A message of the wake channel: the reason, the batch, and for a wish the grace it comes with. Two more are about a
 * node, named in the batch's place: `node` (somebody wants something of it) and `idle` (it has room and nothing to do).
 */
export function parseWake(message: string): {
  readonly reason: string;
  readonly batch: BatchId;
  readonly graceMs: number | undefined;
} {
  const [reason = '', batch = '', graceMs] = message.split(' ');
  return { reason, batch: batch as BatchId, graceMs: graceMs === undefined ? undefined : Number(graceMs) };
}

/** Batches as records: made whole by one script, read back, and changed only where noted. */
export class BatchStore {
  readonly redis: Redis;

  constructor(redis: Redis) {
    this.redis = redis;
  }

  /**
   * Stores an environment once for all batches that share it.
   * @returns the digest that stands for it
   */
  async keepEnvironment(entries: readonly Bytes[]): Promise<string> {
    const plain = Buffer.from(entries.map((entry) => `${entry}\0`).join(''), 'latin1');
    const digest = createHash('sha256').update(plain).digest('hex').slice(0, 32);
    await this.redis.set(globalKeys.environment(digest), deflateRawSync(plain), 'NX');
    return digest;
  }

  async environment(digest: string): Promise<Bytes[]> {
    const stored = await this.redis.getBuffer(globalKeys.environment(digest));
    if (stored === null)
      throw new OmxError(`the environment ${digest} of a batch is missing in the queue`, {
        code: 'QUEUE_DAMAGED',
        exitCode: ExitCode.unreachable,
      });
    return inflateRawSync(stored).toString('latin1').split('\0').slice(0, -1) as Bytes[];
  }

  /** Makes the batch, or finds the one made before with the same key. */
  async submit(batch: NewBatch): Promise<{ readonly id: BatchId; readonly existed: boolean }> {
    const { key } = batch.spec;
    const id = batchId(await this.redis.incr(globalKeys.lastBatch));
    if (key !== undefined) {
      const owner = await this.#claimKey(key, id);
      if (owner !== id) return { id: owner, existed: true };
    }
    // Announced before it is made: a crash in between leaves an id that leads nowhere, never a batch nobody looks at.
    const announcement = this.redis
      .pipeline()
      .sadd(globalKeys.active, id)
      .zadd(globalKeys.pending, queueClock.now(), id)
      .sadd(globalKeys.classes, placementClass(requirementOf(batch.spec)));
    if (batch.spec.after.length > 0) announcement.sadd(globalKeys.waiting, id);
    await announcement.exec();
    const chunks = chunkOrder(batch.order, batch.total).map((spans, at) => `${at + 1}|0|${formatSpans(spans)}`);
    const items: Buffer[] = [];
    for (let at = 0; at < (batch.items?.length ?? 0); at += itemsPerBlock)
      items.push(encodeItems(batch.items?.slice(at, at + itemsPerBlock) ?? []));
    await scripts.create.run(this.redis, batchKeys(id).tag, [
      JSON.stringify(batch.spec),
      batch.total,
      batch.untouched,
      batch.note ?? '',
      chunks.length,
      ...chunks,
      ...items,
    ]);
    await this.wake(id);
    return { id, existed: false };
  }

  /** The batch that owns a submit key: an earlier one, or `id` from now on. A submitter that died halfway owns nothing. */
  async #claimKey(key: string, id: BatchId): Promise<BatchId> {
    const name = globalKeys.submitKey(key);
    for (let tries = 0; tries < 20; tries += 1) {
      if ((await this.redis.set(name, id, 'NX')) === 'OK') return id;
      const owner = await this.redis.get(name);
      if (owner !== null && (await this.exists(owner as BatchId))) return owner as BatchId;
      await delay(100);
    }
    await this.redis.set(name, id);
    return id;
  }

  async exists(id: BatchId): Promise<boolean> {
    return (await this.redis.exists(batchKeys(id).meta)) === 1;
  }

  /** @throws OmxError with exit code 4 when there is no such batch */
  async load(id: BatchId): Promise<Batch> {
    const batch = await this.find(id);
    if (batch === undefined) {
      throw new OmxError(`there is no batch ${id}`, {
        code: 'NO_SUCH_BATCH',
        exitCode: ExitCode.notFound,
        hint: 'omx status lists the batches',
      });
    }
    return batch;
  }

  async find(id: BatchId): Promise<Batch | undefined> {
    const keys = batchKeys(id);
    const [meta, revisions] = await Promise.all([
      this.redis.hgetall(keys.meta),
      this.redis.lrange(keys.revisions, 0, -1),
    ]);
    if (meta['spec'] === undefined) return undefined;
    return {
      id,
      spec: JSON.parse(meta['spec']) as BatchSpec,
      total: Number(meta['total']),
      submittedAt: Number(meta['submittedAt']),
      untouched: untouchedStates.find((state) => state === meta['untouched']) ?? 'queued',
      note: meta['note'] ?? '',
      revisions: revisions.map((text) => JSON.parse(text) as Revision),
    };
  }

  /** The batch as it is now, without reading again what never changes. */
  async refresh(batch: Batch): Promise<Batch> {
    const keys = batchKeys(batch.id);
    const [[untouched, note], revisions] = await Promise.all([
      this.redis.hmget(keys.meta, 'untouched', 'note'),
      this.redis.lrange(keys.revisions, 0, -1),
    ]);
    // Revisions only come after others, so the ones known stay the same objects, and what is remembered of them holds.
    const news = revisions.slice(batch.revisions.length).map((text) => JSON.parse(text) as Revision);
    return {
      ...batch,
      untouched: untouchedStates.find((state) => state === untouched) ?? batch.untouched,
      note: note ?? '',
      revisions: [...batch.revisions, ...news],
    };
  }

  /** Ids of the newest batches, newest first. */
  async newest(count: number): Promise<BatchId[]> {
    const last = Number((await this.redis.get(globalKeys.lastBatch)) ?? 0);
    const found: BatchId[] = [];
    for (let number = last; number > 0 && found.length < count;) {
      const ids = Array.from({ length: Math.min(number, 200) }, (_, at) => batchId(number - at));
      const replies = (await this.redis.pipeline(ids.map((id) => ['exists', batchKeys(id).meta])).exec()) ?? [];
      for (const [at, reply] of replies.entries())
        if (reply[1] === 1 && found.length < count) found.push(ids[at] as BatchId);
      number -= ids.length;
    }
    return found;
  }

  async progress(batch: Batch): Promise<BatchProgress> {
    return progressOf(batch, await this.redis.hgetall(batchKeys(batch.id).sums));
  }

  async item(id: BatchId, ordinal: number): Promise<Item> {
    const items = await this.items(id, Math.floor(ordinal / itemsPerBlock));
    return items[ordinal % itemsPerBlock] ?? [];
  }

  async items(id: BatchId, block: number): Promise<Item[]> {
    const stored = await this.redis.getBuffer(batchKeys(id).items(block));
    return stored === null ? [] : decodeItems(stored);
  }

  /** Batches with jobs that have not ended. */
  async active(): Promise<BatchId[]> {
    return (await this.redis.smembers(globalKeys.active)) as BatchId[];
  }

  /**
   * Puts jobs on their way to the workers (again), which whoever calls this hands out, or tells the workers to. A chunk is an
   * offer: only jobs still queued are taken from it.
   */
  async offer(
    id: BatchId,
    chunks: readonly { readonly spans: readonly Span[]; readonly at?: number }[],
  ): Promise<void> {
    if (chunks.length === 0) return;
    await this.announce(id);
    for (let from = 0; from < chunks.length; from += 1000) {
      const texts = chunks
        .slice(from, from + 1000)
        .map(({ spans, at }) => `${Math.round(at ?? 0)}|${formatSpans(spans)}`);
      await scripts.offer.run(this.redis, batchKeys(id).tag, texts);
    }
  }

  /** Says that the batch has, or is about to have, chunks to deliver. */
  async announce(id: BatchId): Promise<void> {
    await this.redis.pipeline().zadd(globalKeys.pending, queueClock.now(), id).sadd(globalKeys.active, id).exec();
  }

  /** Wakes the workers (`WakeReason` says what for). A lost message costs the seconds until their next look. */
  async wake(id: BatchId, reason: WakeReason = 'chunks', graceMs?: number): Promise<void> {
    await this.redis.publish(globalKeys.wake, [reason, id, ...(graceMs === undefined ? [] : [graceMs])].join(' '));
  }

  /**
   * Holds, releases or cancels every job nobody has touched yet, however many, in one step.
   * @param order the jobs to offer in the same step, all of them in the order in which they are to run
   * @returns undefined where somebody else has changed them since `batch` was read
   */
  async changeUntouched(
    batch: Batch,
    to: Untouched,
    note: string,
    order: readonly Span[] = [],
  ): Promise<{ readonly changed: number; readonly finished: boolean } | undefined> {
    const chunks = chunkOrder(order, batch.total).map((spans) => `0|${formatSpans(spans)}`);
    if (chunks.length > 0) await this.announce(batch.id);
    const reply = (await scripts.untouched.run(this.redis, batchKeys(batch.id).tag, [
      batch.untouched,
      to,
      note,
      Math.max(0, queueClock.now() - batch.submittedAt),
      ...chunks,
    ])) as number[];
    if (reply[0] === -1) return undefined;
    if (chunks.length > 0) await this.wake(batch.id);
    return { changed: reply[0] ?? 0, finished: reply[1] === 1 };
  }

  async addRevision(batch: Batch, revision: Revision): Promise<void> {
    await this.redis.rpush(batchKeys(batch.id).revisions, JSON.stringify(revision));
    await this.wake(batch.id, 'change');
  }

  /** Names of the nodes by their number in the batch's records. */
  async nodeNames(id: BatchId): Promise<Map<number, string>> {
    const table = await this.redis.hgetall(batchKeys(id).nodes);
    return new Map(Object.entries(table).map(([name, number]) => [Number(number), name]));
  }

  /** This node's number in the batch's records, given on first use. */
  async nodeNumber(id: BatchId, node: string): Promise<number> {
    return (await scripts.node.run(this.redis, batchKeys(id).tag, [node])) as number;
  }

  /** Appends a line for `omx why` (bounded to the newest 200). */
  async addNote(id: BatchId, text: string): Promise<void> {
    const key = batchKeys(id).notes;
    await this.redis
      .pipeline()
      .rpush(key, `${new Date(queueClock.now()).toISOString()} ${text}`)
      .ltrim(key, -200, -1)
      .exec();
  }

  async notes(id: BatchId): Promise<string[]> {
    return this.redis.lrange(batchKeys(id).notes, 0, -1);
  }
}

export function progressOf(
  batch: Pick<Batch, 'total' | 'submittedAt' | 'untouched'>,
  sums: Readonly<Record<string, string>>,
): BatchProgress {
  const counts = zeroCounts();
  let touched = 0;
  for (const [at, recordClass] of recordClasses.entries()) {
    const count = at === 0 ? 0 : Number(sums[String(at)] ?? 0);
    touched += count;
    counts[classState(recordClass, batch.untouched)] += count;
  }
  counts[batch.untouched] += batch.total - touched;
  return {
    counts,
    userUs: Number(sums['user'] ?? 0),
    sysUs: Number(sums['sys'] ?? 0),
    ...(sums['first'] === undefined ? {} : { firstStartAt: batch.submittedAt + Number(sums['first']) }),
    ...(sums['end'] === undefined ? {} : { endedAt: batch.submittedAt + Number(sums['end']) }),
  };
}

/**
 * Small batches travel one job at a time, large ones in some 64 chunks, at most 500 jobs each. Who takes a chunk and has
 * no room for all of it offers the rest again, so a chunk of long jobs does no harm.
 */
export function chunkOrder(order: readonly Span[], total: number): Span[][] {
  const size = total <= 64 ? 1 : Math.min(500, Math.ceil(total / 64));
  const chunks: Span[][] = [];
  let open: Span[] = [];
  let room = size;
  for (const span of order) {
    let rest: Span[] = [span];
    while (rest.length > 0) {
      const { head, tail } = splitSpans(rest, room);
      open.push(...head);
      room -= countSpans(head);
      rest = tail;
      if (room === 0) {
        chunks.push(open);
        open = [];
        room = size;
      }
    }
  }
  if (open.length > 0) chunks.push(open);
  return chunks;
}
