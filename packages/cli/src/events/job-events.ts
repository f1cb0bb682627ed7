import { type Job, isFailure } from '@omx/core';

import { signalName } from '../render/signals.ts';
import { isoTime } from '../render/times.ts';
import type { JobEnd, JobEvent } from './event.ts';

type Ended = Extract<Job, { readonly status: 'ended' }>;

/** An event with its place in the life of its job: later ones have a higher rank, and each rank comes once. */
export interface RankedEvent {
  readonly rank: number;
  readonly event: JobEvent;
}

export interface JobFacts {
  /** `b7.3` */
  readonly id: string;
  readonly job: Job;
  /** Ended attempts before the newest, oldest first; see `needsHistory`. */
  readonly history: readonly Job[];
  /** Attempts that failed for a fault of their node. */
  readonly excused: ReadonlySet<number>;
  readonly nodeName: (number: number) => string;
  /** Where an attempt was started that has moved since, as far as that is known. */
  readonly startNode: (attempt: number) => string | undefined;
  /** When jobs that nobody had touched were cancelled all at once: their records do not say. */
  readonly cancelledAt: number;
}

/**
 * Ranks of one attempt: it started, its job ended with it, the job is to run again whatever the reason, the attempt does not
 * count; and a job may also end, by a cancel, while it waits for its next attempt, and be run again after that.
 */
const stages = { started: 1, ended: 2, again: 3, excused: 4, cancelled: 5, againAfterCancel: 6 } as const;

function rankOf(attempt: number, stage: keyof typeof stages): number {
  return attempt * 8 + stages[stage];
}

/** Whether events after this rank may be such as only the records of earlier attempts can tell. */
export function needsHistory(job: Job, printed: number): boolean {
  const over = attemptsOver(job);
  if (over === 0) return false;
  return printed < rankOf(over, 'again') || (printed === rankOf(over, 'cancelled') && job.status !== 'ended');
}

/** Attempts of the job that have come to their end, the one its record tells of not counted. */
export function attemptsOver(job: Job): number {
  return waits(job) || isCancelledWaiting(job) ? job.attempt : Math.max(0, job.attempt - 1);
}

/** What the records of a job tell of its life, in order. */
export function jobEvents(facts: JobFacts): RankedEvent[] {
  const records = [...facts.history.filter((record) => record.status === 'ended'), facts.job];
  const events: RankedEvent[] = [];
  let before: Ended | undefined;
  for (const record of records) {
    events.push(...between(facts, before, record), ...itself(facts, record));
    before = record.status === 'ended' ? record : undefined;
  }
  if (facts.job.status === 'ended') events.push(endOf(facts, facts.job));
  return events;
}

/** How an ended attempt, and those of which there is no record, led to the one that the next record is about. */
function between(facts: JobFacts, before: Ended | undefined, next: Job): RankedEvent[] {
  const { id, excused } = facts;
  const events: RankedEvent[] = [];
  const at = before === undefined || attemptsOver(next) > before.attempt ? (before?.endedAt ?? 0) : next.queuedAt;
  const retried = before !== undefined && isFailure(before.outcome.kind) && next.retries === before.retries + 1;
  // One that was given up as lost and run again begins to count crashes anew.
  const lost = before?.outcome.kind === 'lost' && next.crashes >= before.crashes;
  if (before !== undefined && excused.has(before.attempt)) {
    events.push({
      rank: rankOf(before.attempt, 'excused'),
      event: { at, type: 'job-excused', id, attempt: before.attempt, ...endFields(facts, before) },
    });
  } else if (before !== undefined && retried) {
    const notBefore = attemptsOver(next) > before.attempt ? null : isoTime(next.queuedAt);
    events.push({
      rank: rankOf(before.attempt, 'again'),
      event: {
        at: before.endedAt,
        type: 'job-retried',
        id,
        attempt: before.attempt,
        ...endFields(facts, before),
        notBefore,
      },
    });
  } else if (before !== undefined && lost) {
    const { attempt, endedAt, node } = before;
    const where = node === undefined ? null : facts.nodeName(node);
    events.push({ rank: rankOf(attempt, 'again'), event: { at: endedAt, type: 'job-lost', id, attempt, node: where } });
  } else if (before !== undefined) {
    const stage = isCancelledWaiting(before) ? 'againAfterCancel' : 'again';
    events.push(endOf(facts, before), {
      rank: rankOf(before.attempt, stage),
      event: { at, type: 'job-rerun', id, attempt: before.attempt },
    });
  }
  const over = attemptsOver(next);
  if (over > (before?.attempt ?? 0)) {
    events.push({ rank: rankOf(over, 'again'), event: { at: next.queuedAt, type: 'job-requeued', id, attempt: over } });
  }
  return events;
}

function itself({ id, nodeName, startNode }: JobFacts, record: Job): RankedEvent[] {
  if (!('startedAt' in record) || record.startedAt === undefined || record.node === undefined) return [];
  const { attempt, startedAt, node, launcher } = record;
  return [
    {
      rank: rankOf(attempt, 'started'),
      event: {
        at: startedAt,
        type: 'job-started',
        id,
        attempt,
        node: startNode(attempt) ?? nodeName(node),
        launcher: launcher ?? null,
      },
    },
  ];
}

function endOf(facts: JobFacts, record: Ended): RankedEvent {
  const { attempt } = record;
  const waiting = isCancelledWaiting(record);
  const at = waiting && attempt === 0 && record.endedAt <= record.queuedAt ? facts.cancelledAt : record.endedAt;
  return {
    rank: rankOf(attempt, waiting ? 'cancelled' : 'ended'),
    event: { at, type: 'job-ended', id: facts.id, attempt, ...endFields(facts, record) },
  };
}

function endFields({ nodeName }: JobFacts, { outcome, node }: Ended): JobEnd {
  return {
    node: node === undefined ? null : nodeName(node),
    outcome: outcome.kind,
    exitCode: outcome.kind === 'succeeded' ? 0 : outcome.kind === 'exited' ? outcome.code : null,
    signal: outcome.kind === 'signalled' ? signalName(outcome.signal) : null,
  };
}

function waits({ status }: Job): boolean {
  return status === 'queued' || status === 'held';
}

function isCancelledWaiting(job: Job): boolean {
  return job.status === 'ended' && job.node === undefined;
}
