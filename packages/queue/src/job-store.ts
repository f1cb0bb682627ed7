import {
  applyEvent,
  type Batch,
  formatSpans,
  isIllegal,
  type Job,
  type JobEvent,
  lostAttempt,
  type Span,
  spanSize,
  spansOf,
} from '@omx/core';

import type { BatchStore } from './batch-store.ts';
import type { JobRows, PackedOutput } from './codec/pack.ts';
import { encodePack, encodeRows } from './codec/pack.ts';
import { blockJobs, decodeJob, encodeJob, packOffset, recordBytes, type StoredJob } from './codec/record.ts';
import { encodeChanges } from './codec/changes.ts';
import { batchKeys } from './keys.ts';
import { queueClock } from './queue-clock.ts';
import { Script } from './script.ts';
import { writeJobs } from './scripts/write-jobs.ts';

const script = new Script(writeJobs);
const zeros = Buffer.alloc(recordBytes);
/** Entries in one script call: bounds how long Redis is busy with one of them. */
const entriesPerWrite = 500;

/** A job as it was read or written last: what the next write is compared against. */
export interface KnownJob {
  readonly ordinal: number;
  readonly job: Job;
  /** As it was read; undefined where it is what `job` was written as. */
  readonly record: Buffer | undefined;
}

/** A job as read. */
export interface JobSnapshot extends KnownJob, StoredJob {
  readonly record: Buffer;
}

export interface JobChange {
  readonly snapshot: KnownJob;
  readonly next: Job;
  /** Set when an attempt ended and the job goes on: the ended attempt, for the history. */
  readonly ended?: Job;
  readonly hasPackedOutput?: boolean;
  /** The batch's limit of jobs at once applies. */
  readonly throttled?: boolean;
}

export interface Offer {
  readonly spans: readonly Span[];
  readonly at: number;
}

export interface WriteResult {
  /** Jobs that were not what the caller had read, as they are now. */
  readonly conflicts: JobSnapshot[];
  /** Jobs kept back by the throttle, by ordinal. */
  readonly parked: number[];
  /** This write ended the batch. */
  readonly finished: boolean;
  /** How many chunks came of it, which are to be handed out. */
  readonly offered: number;
  readonly failed: number;
  readonly ended: number;
}

export interface WriteExtras {
  /** Chunks to put on their way with the same write, each not before a time (ms since the epoch; 0: at once). */
  readonly offers?: readonly Offer[];
  readonly outputs?: readonly PackedOutput[];
  readonly rows?: readonly JobRows[];
}

/** Reads jobs, and writes them by compare-and-set. */
export class JobStore {
  readonly #batches: BatchStore;

  constructor(batches: BatchStore) {
    this.#batches = batches;
  }

  async read(batch: Batch, ordinals: readonly number[]): Promise<JobSnapshot[]> {
    const keys = batchKeys(batch.id);
    const runs = neighboursOf(ordinals);
    const pipeline = this.#batches.redis.pipeline();
    for (const { first, last } of runs) {
      const offset = (first % blockJobs) * recordBytes;
      const key = keys.block(Math.floor(first / blockJobs));
      pipeline.getrangeBuffer(key, offset, offset + (last - first + 1) * recordBytes - 1);
    }
    const replies = runs.length === 0 ? [] : ((await pipeline.exec()) ?? []);
    return runs.flatMap(({ first, last }, at) => {
      const [error, records] = replies[at] ?? [null, zeros];
      if (error !== null) throw error;
      return Array.from({ length: last - first + 1 }, (_, place) =>
        snapshotOf(batch, first + place, recordIn(records as Buffer, place)),
      );
    });
  }

  /** All jobs of the spans, block by block, so that a million take bounded memory. */
  async *scan(
    batch: Batch,
    spans: readonly Span[],
    options: { readonly failedOnly?: boolean } = {},
  ): AsyncGenerator<JobSnapshot[]> {
    const keys = batchKeys(batch.id);
    const failedBlocks =
      options.failedOnly === true ? new Set((await this.#batches.redis.hkeys(keys.failed)).map(Number)) : undefined;
    for (const span of spans) {
      const low = Math.min(span.first, span.last);
      const high = low + spanSize(span) - 1;
      for (let block = Math.floor(low / blockJobs); block <= Math.floor(high / blockJobs); block += 1) {
        if (failedBlocks !== undefined && !failedBlocks.has(block)) continue;
        const records = (await this.#batches.redis.getBuffer(keys.block(block))) ?? Buffer.alloc(0);
        const snapshots: JobSnapshot[] = [];
        for (
          let ordinal = Math.max(low, block * blockJobs);
          ordinal <= Math.min(high, (block + 1) * blockJobs - 1);
          ordinal += 1
        ) {
          snapshots.push(snapshotOf(batch, ordinal, recordIn(records, ordinal % blockJobs)));
        }
        yield snapshots;
      }
    }
  }

  /** Writes what is still as it was read. Outputs and rows are stored with the same call. */
  async write(batch: Batch, changes: readonly JobChange[], extras: WriteExtras = {}): Promise<WriteResult> {
    const offers = extras.offers ?? [];
    // Announced before the write: a crash in between leaves a look that finds nothing, never a chunk nobody looks for.
    if (offers.length > 0) await this.#batches.announce(batch.id);
    const total: WriteResult = { conflicts: [], parked: [], finished: false, offered: 0, failed: 0, ended: 0 };
    for (let from = 0; from < changes.length; from += entriesPerWrite) {
      const part = changes.slice(from, from + entriesPerWrite);
      const inPart = new Set(part.map((change) => change.snapshot.ordinal));
      const outputs = extras.outputs?.filter((output) => inPart.has(output.ordinal)) ?? [];
      const rows = extras.rows?.filter((job) => inPart.has(job.ordinal)) ?? [];
      const reply = (await script.run(this.#batches.redis, batchKeys(batch.id).tag, [
        encodeChanges(batch, part),
        batch.untouched,
        batch.spec.throttle ?? 0,
        outputs.length === 0 ? '' : encodePack(outputs),
        rows.length === 0 ? '' : encodeRows(rows),
        Math.max(0, queueClock.now() - batch.submittedAt),
        ...(from === 0 ? offers.map(({ spans, at }) => `${Math.round(at)}|${formatSpans(spans)}`) : []),
      ])) as [(number | Buffer)[], number[], number, number, number, number];
      const [conflicts, parked, finished, offered, failed, ended] = reply;
      const wanted = new Map(part.map(({ snapshot, next }) => [snapshot.ordinal, next]));
      for (let at = 0; at < conflicts.length; at += 2) {
        const actual = snapshotOf(batch, conflicts[at] as number, conflicts[at + 1] as Buffer);
        const next = wanted.get(actual.ordinal);
        if (next === undefined || !isWritten(encodeJob(next, batch), actual.record)) total.conflicts.push(actual);
      }
      total.parked.push(...parked);
      Object.assign(total, {
        finished: total.finished || finished === 1,
        offered: total.offered + offered,
        failed,
        ended,
      });
    }
    if (total.offered > 0 && offers.length === 0) await this.#batches.announce(batch.id);
    return total;
  }

  /**
   * Applies one event to every job of the spans for which `choose` allows it, reading anew and trying again where
   * somebody else was faster; with `offer` the changed jobs are put on their way to the workers in the same step.
   * @returns the ordinals changed
   */
  async apply(
    batch: Batch,
    spans: readonly Span[],
    choose: (job: Job, ordinal: number) => JobEvent | undefined,
    options: { readonly failedOnly?: boolean; readonly offer?: boolean } = {},
  ): Promise<number[]> {
    const changed: number[] = [];
    for await (const snapshots of this.scan(batch, spans, options)) {
      let current = batch;
      for (let open = snapshots; open.length > 0;) {
        const changes = open.flatMap((snapshot) => {
          const event = choose(snapshot.job, snapshot.ordinal);
          const next = event === undefined ? undefined : applyEvent(snapshot.job, event);
          return event === undefined || next === undefined || isIllegal(next) ? [] : [changeTo(snapshot, event, next)];
        });
        if (changes.length === 0) break;
        const offers =
          options.offer === true ? [{ spans: spansOf(changes.map((change) => change.snapshot.ordinal)), at: 0 }] : [];
        const { conflicts } = await this.write(current, changes, { offers });
        const conflicting = new Set(conflicts.map((snapshot) => snapshot.ordinal));
        changed.push(
          ...changes.map((change) => change.snapshot.ordinal).filter((ordinal) => !conflicting.has(ordinal)),
        );
        if (conflicts.length > 0) current = await this.#batches.load(batch.id);
        open = conflicts.map((snapshot) => snapshotOf(current, snapshot.ordinal, snapshot.record));
      }
    }
    return changed;
  }

  /** Earlier attempts of a job, oldest first. */
  async history(batch: Batch, ordinal: number, newest: number): Promise<StoredJob[]> {
    const attempts = Array.from({ length: Math.max(0, newest - 1) }, (_, at) => `${ordinal}#${at + 1}`);
    if (attempts.length === 0) return [];
    const records = await this.#batches.redis.hmgetBuffer(batchKeys(batch.id).history, ...attempts);
    return records.flatMap((record) => (record === null ? [] : [decodeJob(record, batch)]));
  }

  /** Keeps a late result that was refused, so that nothing an attempt reported disappears. */
  async keepSuperseded(batch: Batch, text: string): Promise<void> {
    const key = batchKeys(batch.id).superseded;
    await this.#batches.redis.pipeline().rpush(key, text).ltrim(key, -1000, -1).exec();
  }
}

/** Runs of ascending neighbours within a block, each to be read at once; the order is kept. */
function neighboursOf(ordinals: readonly number[]): { first: number; last: number }[] {
  const runs: { first: number; last: number }[] = [];
  for (const ordinal of ordinals) {
    const open = runs.at(-1);
    if (open !== undefined && ordinal === open.last + 1 && ordinal % blockJobs !== 0) open.last = ordinal;
    else runs.push({ first: ordinal, last: ordinal });
  }
  return runs;
}

/** A job as it is after that write, without reading it again. */
export function jobAfter({ snapshot, next }: JobChange): KnownJob {
  return { ordinal: snapshot.ordinal, job: next, record: undefined };
}

/**
 * A connection that is lost sends again what it had no answer to. What was carried out the first time is no conflict the
 * second. The number of the pack with the output is the script's.
 */
function isWritten(wanted: Buffer, actual: Buffer): boolean {
  return wanted.subarray(0, packOffset).equals(actual.subarray(0, packOffset));
}

/** A lost attempt stays in the history, though the job goes on. */
export function changeTo(snapshot: KnownJob, event: JobEvent, next: Job, hasPackedOutput = false): JobChange {
  if (event.type !== 'lose' || next.status !== 'queued') return { snapshot, next, hasPackedOutput };
  return { snapshot, next, ended: lostAttempt(snapshot.job, event.at), hasPackedOutput };
}

/** One of several records; what nobody has touched needs no buffer of its own. */
function recordIn(records: Buffer, place: number): Buffer {
  const offset = place * recordBytes;
  return (records[offset] ?? 0) === 0 ? zeros : records.subarray(offset, offset + recordBytes);
}

function snapshotOf(batch: Batch, ordinal: number, record: Buffer): JobSnapshot {
  return { ordinal, record, ...decodeJob(record, batch) };
}
