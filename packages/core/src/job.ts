import type { Outcome, OutcomeKind } from './outcome.ts';
import { isFailure } from './outcome.ts';
import type { LauncherName } from './spec/spec.ts';
import type { Usage } from './usage.ts';

/**
 * One process of a batch, as the queue records it. The status carries exactly what is true in it; only `applyEvent`
 * (transition.ts) makes a new job out of an old one. All times are milliseconds since the epoch.
 */
export type Job = JobHistory & JobStatus;

/** What a job keeps through all its states. */
export interface JobHistory {
  /** Number of the newest attempt; 0: none yet. Every write about an attempt carries it, and an older one is refused. */
  readonly attempt: number;
  /** Retries used up by the job's own failures since it was last submitted or rerun. */
  readonly retries: number;
  /** Attempts that died with their node; counted apart from retries, against `crashLimit`. */
  readonly crashes: number;
  /** How often the newest attempt moved to another node. */
  readonly moves: number;
  /** What a user asked of a job that a node holds; the node carries it out. */
  readonly wish: Wish;
  readonly queuedAt: number;
}

export const wishes = ['none', 'cancel', 'pause', 'freeze'] as const;
export type Wish = (typeof wishes)[number];

export type JobStatus =
  | { readonly status: 'queued' }
  | { readonly status: 'held' }
  | ({ readonly status: 'leased' } & Held)
  | ({ readonly status: 'running' | 'paused' | 'frozen' } & Held & Started)
  | ({
      readonly status: 'ended';
      readonly outcome: Outcome;
      readonly endedAt: number;
      readonly output: OutputFacts;
    } & Partial<Held> &
      Partial<Started> & { readonly usage: Usage });

/** A node holds the job. The number is the node's place in the batch's node table. */
export interface Held {
  readonly node: number;
}

export interface Started {
  readonly startedAt: number;
  readonly launcher: LauncherName;
}

/** Where an attempt's output is: nowhere (there was none), in the queue, or still on the node that ran it. */
export interface OutputFacts {
  readonly place: 'none' | 'queue' | 'node';
  readonly outBytes: number;
  readonly errBytes: number;
  /** Cut at `--max-output`. */
  readonly truncated: boolean;
}

export const noOutput: OutputFacts = { place: 'none', outBytes: 0, errBytes: 0, truncated: false };

/** An attempt that dies with its node is tried again so often before the job is given up as lost. */
export const crashLimit = 5;

/** A job nobody has touched yet. */
export function freshJob(status: 'queued' | 'held', queuedAt: number): Job {
  return { attempt: 0, retries: 0, crashes: 0, moves: 0, wish: 'none', queuedAt, status };
}

/** States as users see and select them (`--state`): the outcome once a job has ended. */
export const jobStateNames = [
  'held',
  'queued',
  'running',
  'paused',
  'frozen',
  'succeeded',
  'failed',
  'cancelled',
  'lost',
] as const;
export type JobStateName = (typeof jobStateNames)[number];

/** The user's name for a job's state. A job that is leased but not started still counts as queued. */
export function stateName(job: Job): JobStateName {
  if (job.status === 'leased') return 'queued';
  return job.status === 'ended' ? outcomeState(job.outcome.kind) : job.status;
}

export function outcomeState(kind: OutcomeKind): JobStateName {
  if (kind === 'succeeded' || kind === 'cancelled' || kind === 'lost') return kind;
  return 'failed';
}

export function hasFailed(job: Job): boolean {
  return job.status === 'ended' && isFailure(job.outcome.kind);
}
