import type { BatchId } from './ids.ts';
import type { JobStateName } from './job.ts';
import { jobStateNames } from './job.ts';
import { parseSpans, spansInclude, type Span } from './ordinals.ts';
import type { BatchSpec, JobLimits } from './spec/spec.ts';
import type { Bytes } from './bytestring.ts';

/** What one submit made, without its jobs. */
export interface Batch {
  readonly id: BatchId;
  readonly spec: BatchSpec;
  readonly total: number;
  readonly submittedAt: number;
  /** What a job that nobody has touched is: waiting, kept back, or cancelled. */
  readonly untouched: Untouched;
  /** Why untouched jobs are held or cancelled, for `omx why`; empty where there is nothing to say. */
  readonly note: string;
  /** What reruns changed for some of the jobs, oldest first. */
  readonly revisions: readonly Revision[];
}

export const untouchedStates = ['queued', 'held', 'cancelled'] as const;
export type Untouched = (typeof untouchedStates)[number];

/** A rerun's changes; they hold for the named jobs (by ordinal) from then on. */
export interface Revision {
  readonly jobs: string;
  readonly limits: Partial<JobLimits>;
  /** Replaces the arguments after the program's name. */
  readonly args?: readonly Bytes[];
}

/** The limits and the command a job has after all reruns that touched it; the newest revision wins. */
export function reviseSpec(spec: BatchSpec, revisions: readonly Revision[], ordinal: number): BatchSpec {
  let revised = spec;
  for (const revision of revisions) {
    if (!spansInclude(spansOfRevision(revision), ordinal)) continue;
    revised = { ...revised, limits: { ...revised.limits, ...revision.limits } };
    if (revision.args !== undefined)
      revised = { ...revised, command: [...revised.command.slice(0, 1), ...revision.args] };
  }
  return revised;
}

const parsedRevisions = new WeakMap<Revision, Span[]>();

function spansOfRevision(revision: Revision): Span[] {
  let spans = parsedRevisions.get(revision);
  if (spans === undefined) {
    spans = parseSpans(revision.jobs);
    parsedRevisions.set(revision, spans);
  }
  return spans;
}

/** How many of a batch's jobs are in each state. Paused jobs count as running where only the contract's states are shown. */
export type StateCounts = Readonly<Record<JobStateName, number>>;

export function zeroCounts(): Record<JobStateName, number> {
  return Object.fromEntries(jobStateNames.map((name) => [name, 0])) as Record<JobStateName, number>;
}

/** A batch's sums, kept by the queue beside the jobs. */
export interface BatchProgress {
  readonly counts: StateCounts;
  readonly firstStartAt?: number;
  /** Set once every job has ended. */
  readonly endedAt?: number;
  readonly userUs: number;
  readonly sysUs: number;
}

export type BatchState = 'held' | 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled';

export function doneCount(counts: StateCounts): number {
  return counts.succeeded + counts.failed + counts.cancelled + counts.lost;
}

/** Derived from the counts, never stored. */
export function batchState(counts: StateCounts, total: number): BatchState {
  const done = doneCount(counts);
  if (done === total) {
    if (counts.failed + counts.lost > 0) return 'failed';
    return counts.cancelled > 0 ? 'cancelled' : 'succeeded';
  }
  if (counts.running + counts.paused + counts.frozen > 0) return 'running';
  if (counts.queued > 0) return done > 0 ? 'running' : 'queued';
  return 'held';
}
