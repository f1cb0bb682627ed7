import type {
  CancelledBy,
  Job,
  JobStateName,
  NotStartedReason,
  Outcome,
  OutputFacts,
  Untouched,
  Wish,
} from '@omx/core';
import { cancelledBy, freshJob, noOutput, noUsage, notStartedReasons, outcomeState, wishes } from '@omx/core';

/**
 * A job in 56 bytes, little-endian, so that a million finished jobs fit in some 57 MB and one job is written in place
 * by SETRANGE.
 *
 * | offset | bytes | |
 * | --- | --- | --- |
 * | 0 | 1 | class: what it is (below); 0 means untouched, so a batch nobody has started needs no records |
 * | 1 | 1 | detail: exit code, signal number, who cancelled, why not started |
 * | 2 | 1 | bits 0–1 wish, 2–3 launcher, 4 output truncated, 5–6 place of the output |
 * | 3 | 1 | moves |
 * | 4 | 2 | attempt |
 * | 6 | 2 | node's number in the batch's table |
 * | 8 | 1 | retries |
 * | 9 | 1 | crashes |
 * | 10 | 5 | queued, ms after the submit |
 * | 15 | 5 | started, ms after the submit + 1; 0: not started |
 * | 20 | 6 | real, µs (since the submit where nothing started) |
 * | 26 | 6 | user, µs |
 * | 32 | 6 | sys, µs |
 * | 38 | 4 | maxrss, KiB |
 * | 42 | 5 | bytes of stdout |
 * | 47 | 5 | bytes of stderr |
 * | 52 | 4 | number of the output pack + 1, filled in by the write script |
 */
export const recordBytes = 56;
/** Where the number of the output pack stands, the last thing in a record. */
export const packOffset = 52;
/** Jobs in one block: 28,000 bytes, just under one of the allocator's sizes. */
export const blockJobs = 500;

/** Classes in record order; the first seven are states, the rest outcomes (from 7 on, as the write script has it). */
export const recordClasses = [
  'untouched',
  'queued',
  'held',
  'leased',
  'running',
  'paused',
  'frozen',
  'succeeded',
  'exited',
  'signalled',
  'timed-out',
  'oom',
  'cancelled',
  'not-started',
  'lost',
] as const;
export type RecordClass = (typeof recordClasses)[number];

const launchers = ['plain', 'plain', 'mosrun', 'criu'] as const;
const places = ['none', 'queue', 'node'] as const;

/** The user's name for a class; what untouched jobs are depends on the batch. */
export function classState(recordClass: RecordClass, untouched: Untouched): JobStateName {
  switch (recordClass) {
    case 'untouched':
      return untouched;
    case 'leased':
      return 'queued';
    case 'queued':
    case 'held':
    case 'running':
    case 'paused':
    case 'frozen':
      return recordClass;
    default:
      return outcomeState(recordClass);
  }
}

export interface RecordContext {
  /** When the batch was submitted; times in records count from here. */
  readonly submittedAt: number;
  readonly untouched: Untouched;
}

/** A decoded job, with what only the store needs. */
export interface StoredJob {
  readonly job: Job;
  /** Number of the pack that holds the output. */
  readonly pack: number | undefined;
}

export function encodeJob(job: Job, context: RecordContext): Buffer {
  const record = Buffer.alloc(recordBytes);
  encodeInto(record, 0, job, context);
  return record;
}

/** Writes the job's record over 56 zeros that begin at `at`. */
export function encodeInto(bytes: Buffer, at: number, job: Job, context: RecordContext): void {
  const status = job.status === 'ended' ? job.outcome.kind : job.status;
  bytes[at] = recordClasses.indexOf(status);
  bytes[at + 3] = Math.min(job.moves, 255);
  writeNumber(bytes, job.attempt, at + 4, 2);
  bytes[at + 8] = Math.min(job.retries, 255);
  bytes[at + 9] = Math.min(job.crashes, 255);
  writeNumber(bytes, job.queuedAt - context.submittedAt, at + 10, 5);
  let flags = wishes.indexOf(job.wish);
  if ('node' in job && job.node !== undefined) writeNumber(bytes, job.node, at + 6, 2);
  if ('startedAt' in job && job.startedAt !== undefined) {
    writeNumber(bytes, Math.max(0, job.startedAt - context.submittedAt) + 1, at + 15, 5);
    flags |= Math.max(1, launchers.lastIndexOf(job.launcher ?? 'plain')) << 2;
  }
  if (job.status === 'ended') {
    bytes[at + 1] = detailOf(job.outcome);
    const since = 'startedAt' in job && job.startedAt !== undefined ? job.startedAt : context.submittedAt;
    writeNumber(bytes, (job.endedAt - since) * 1000, at + 20, 6);
    writeNumber(bytes, job.usage.userUs, at + 26, 6);
    writeNumber(bytes, job.usage.sysUs, at + 32, 6);
    writeNumber(bytes, job.usage.maxRssKib, at + 38, 4);
    writeNumber(bytes, job.output.outBytes, at + 42, 5);
    writeNumber(bytes, job.output.errBytes, at + 47, 5);
    flags |= (job.output.truncated ? 1 << 4 : 0) | (places.indexOf(job.output.place) << 5);
  }
  bytes[at + 2] = flags;
}

export function decodeJob(record: Buffer, context: RecordContext): StoredJob {
  const recordClass = recordClasses[record[0] ?? 0] ?? 'untouched';
  if (recordClass === 'untouched') return { job: untouchedJob(context), pack: undefined };
  const flags = record[2] ?? 0;
  const history = {
    attempt: record.readUInt16LE(4),
    retries: record[8] ?? 0,
    crashes: record[9] ?? 0,
    moves: record[3] ?? 0,
    wish: wishes[flags & 3] as Wish,
    queuedAt: context.submittedAt + record.readUIntLE(10, 5),
  };
  const node = record.readUInt16LE(6);
  const startedField = record.readUIntLE(15, 5);
  const started = {
    startedAt: context.submittedAt + startedField - 1,
    launcher: launchers[(flags >> 2) & 3] ?? 'plain',
  };
  switch (recordClass) {
    case 'queued':
    case 'held':
      return { job: { ...history, status: recordClass }, pack: undefined };
    case 'leased':
      return { job: { ...history, status: recordClass, node }, pack: undefined };
    case 'running':
    case 'paused':
    case 'frozen':
      return { job: { ...history, status: recordClass, node, ...started }, pack: undefined };
    default: {
      const since = startedField > 0 ? started.startedAt : context.submittedAt;
      const output: OutputFacts = {
        place: places[(flags >> 5) & 3] ?? 'none',
        outBytes: record.readUIntLE(42, 5),
        errBytes: record.readUIntLE(47, 5),
        truncated: (flags & 16) !== 0,
      };
      const pack = record.readUInt32LE(packOffset);
      return {
        pack: pack === 0 ? undefined : pack - 1,
        job: {
          ...history,
          status: 'ended',
          outcome: outcomeOf(recordClass, record[1] ?? 0),
          endedAt: since + record.readUIntLE(20, 6) / 1000,
          usage: {
            userUs: record.readUIntLE(26, 6),
            sysUs: record.readUIntLE(32, 6),
            maxRssKib: record.readUInt32LE(38),
          },
          output,
          ...(node === 0 ? {} : { node }),
          ...(startedField === 0 ? {} : started),
        },
      };
    }
  }
}

function untouchedJob(context: RecordContext): Job {
  if (context.untouched !== 'cancelled') return freshJob(context.untouched, context.submittedAt);
  return {
    ...freshJob('queued', context.submittedAt),
    status: 'ended',
    outcome: { kind: 'cancelled', by: 'user' },
    endedAt: context.submittedAt,
    usage: noUsage,
    output: noOutput,
  };
}

function detailOf(outcome: Outcome): number {
  switch (outcome.kind) {
    case 'exited':
      return outcome.code;
    case 'signalled':
      return outcome.signal;
    case 'cancelled':
      return cancelledBy.indexOf(outcome.by);
    case 'not-started':
      return notStartedReasons.indexOf(outcome.reason);
    case 'succeeded':
    case 'timed-out':
    case 'oom':
    case 'lost':
      return 0;
  }
}

function outcomeOf(
  kind: Exclude<RecordClass, 'untouched' | 'queued' | 'held' | 'leased' | 'running' | 'paused' | 'frozen'>,
  detail: number,
): Outcome {
  switch (kind) {
    case 'exited':
      return { kind, code: detail };
    case 'signalled':
      return { kind, signal: detail };
    case 'cancelled':
      return { kind, by: cancelledBy[detail] as CancelledBy };
    case 'not-started':
      return { kind, reason: notStartedReasons[detail] as NotStartedReason };
    case 'succeeded':
    case 'timed-out':
    case 'oom':
    case 'lost':
      return { kind };
  }
}

/**
 * Over zeros. A figure that has no room or no sense becomes the nearest that has: no job's figures may keep its end from being
 * written. By hand, as most figures are small and `writeUIntLE` always writes all of its bytes.
 */
function writeNumber(bytes: Buffer, value: number, at: number, size: number): void {
  let rest = Math.round(value);
  if (!(rest > 0)) return;
  if (rest >= 2 ** (8 * size)) rest = 2 ** (8 * size) - 1;
  for (let place = at; rest > 0; place += 1) {
    bytes[place] = rest % 256;
    rest = Math.floor(rest / 256);
  }
}
