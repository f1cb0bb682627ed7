import type { Job, OutputFacts } from './job.ts';
import { crashLimit, noOutput } from './job.ts';
import type { CancelledBy, Outcome } from './outcome.ts';
import { isFailure } from './outcome.ts';
import type { LauncherName } from './spec/spec.ts';
import type { Usage } from './usage.ts';
import { noUsage } from './usage.ts';

/** Everything that can happen to a job. `at` is milliseconds since the epoch. */
export type JobEvent =
  | { readonly type: 'hold' }
  | { readonly type: 'release' }
  /** A node takes the job: a new attempt begins. */
  | { readonly type: 'lease'; readonly node: number }
  /** The node that holds the job has not started it and hands it back; the attempt's number is used again. */
  | { readonly type: 'give-back' }
  | { readonly type: 'start'; readonly attempt: number; readonly at: number; readonly launcher: LauncherName }
  | { readonly type: 'pause' }
  | { readonly type: 'resume' }
  /** The job stands still as an image: on its way to another node, or kept so by its user. */
  | { readonly type: 'freeze'; readonly attempt: number }
  /** The frozen job goes on where it is. */
  | { readonly type: 'thaw'; readonly attempt: number }
  /** The frozen job goes on at another node, in the same attempt: from here on only that node may write about it. */
  | { readonly type: 'move'; readonly attempt: number; readonly node: number }
  | { readonly type: 'wish'; readonly wish: 'none' | 'cancel' | 'pause' | 'freeze' }
  | ({ readonly type: 'end'; readonly attempt: number } & AttemptEnd)
  /** The attempt failed and a retry is left. */
  | { readonly type: 'retry'; readonly at: number }
  /** The attempt was stopped by its node for no fault of the job (drain, shutdown): it is queued again, uncharged. */
  | { readonly type: 'requeue'; readonly attempt: number; readonly at: number }
  /** The node died with the attempt. */
  | { readonly type: 'lose'; readonly attempt: number; readonly at: number }
  | { readonly type: 'cancel'; readonly by: CancelledBy; readonly at: number }
  /** A person wants the ended job done again: retries and crashes start anew, attempt numbers go on. */
  | { readonly type: 'rerun'; readonly at: number }
  /**
   * The newest attempt failed for a fault of its node and does not count: the job is queued again, and the retries that
   * it and earlier attempts there have used up are given back.
   */
  | { readonly type: 'excuse'; readonly attempt: number; readonly retries: number; readonly at: number };

/** What is known at the end of an attempt. */
export interface AttemptEnd {
  readonly at: number;
  readonly outcome: Outcome;
  readonly usage: Usage;
  readonly output: OutputFacts;
  /** Absent where nothing was started. */
  readonly started?: { readonly at: number; readonly launcher: LauncherName } | undefined;
}

/** The event does not apply in this state; the job stays as it was. */
export interface IllegalTransition {
  readonly illegal: true;
  readonly why: string;
}

export function isIllegal(result: Job | IllegalTransition): result is IllegalTransition {
  return 'illegal' in result;
}

/**
 * The only function that changes a job. Pure: the caller stores the result by compare-and-set against `job`.
 *
 * ```
 * held ⇄ queued → leased → running ⇄ paused → ended(outcome)
 *          ↑________|give-back | ⇅       |       |
 *          |                   | frozen  |       |      frozen → running: here (thaw) or at another node (move)
 *          |_retry, requeue, lose, rerun, excuse_|
 * ```
 */
export function applyEvent(job: Job, event: JobEvent): Job | IllegalTransition {
  switch (event.type) {
    case 'hold':
      return job.status === 'queued' ? { ...history(job), status: 'held' } : refuse(job, event);
    case 'release':
      return job.status === 'held' ? { ...history(job), status: 'queued' } : refuse(job, event);
    case 'lease':
      if (job.status !== 'queued') return refuse(job, event);
      return lease(job, event.node);
    case 'give-back':
      if (job.status !== 'leased') return refuse(job, event);
      if (job.wish === 'cancel') return cancelled(job, 'user', job.queuedAt);
      return { ...history(job), attempt: job.attempt - 1, wish: 'none', status: 'queued' };
    case 'start':
      if (job.status !== 'leased' || event.attempt !== job.attempt) return refuse(job, event);
      return { ...history(job), status: 'running', node: job.node, startedAt: event.at, launcher: event.launcher };
    case 'pause':
      return job.status === 'running' ? { ...job, status: 'paused' } : refuse(job, event);
    case 'resume':
      return job.status === 'paused' ? { ...job, status: 'running' } : refuse(job, event);
    case 'freeze':
      if ((job.status !== 'running' && job.status !== 'paused') || event.attempt !== job.attempt)
        return refuse(job, event);
      return { ...job, status: 'frozen' };
    case 'thaw':
      if (job.status !== 'frozen' || event.attempt !== job.attempt) return refuse(job, event);
      return { ...job, status: job.wish === 'pause' ? 'paused' : 'running' };
    case 'move':
      if (job.status !== 'frozen' || event.attempt !== job.attempt || event.node === job.node)
        return refuse(job, event);
      return { ...job, status: job.wish === 'pause' ? 'paused' : 'running', node: event.node, moves: job.moves + 1 };
    case 'wish':
      return isHeldByNode(job) ? { ...job, wish: event.wish } : refuse(job, event);
    case 'end':
      return end(job, event);
    case 'retry':
      if (job.status !== 'ended' || !isFailure(job.outcome.kind)) return refuse(job, event);
      return { ...history(job), retries: job.retries + 1, wish: 'none', queuedAt: event.at, status: 'queued' };
    case 'requeue':
      if (!isHeldByNode(job) || event.attempt !== job.attempt) return refuse(job, event);
      if (job.wish === 'cancel') return cancelled(job, 'user', event.at);
      return { ...history(job), wish: 'none', queuedAt: event.at, status: 'queued' };
    case 'lose':
      return lose(job, event);
    case 'cancel':
      return job.status === 'queued' || job.status === 'held' ? cancelled(job, event.by, event.at) : refuse(job, event);
    case 'rerun':
      if (job.status !== 'ended') return refuse(job, event);
      return { ...history(job), retries: 0, crashes: 0, wish: 'none', queuedAt: event.at, status: 'queued' };
    case 'excuse':
      return excuse(job, event);
  }
}

function isHeldByNode(job: Job): job is Extract<Job, { readonly node: number }> {
  return job.status === 'leased' || job.status === 'running' || job.status === 'paused' || job.status === 'frozen';
}

/*
 * Every job is leased and ends, most do not start on record: these two are spelled out, as V8 takes a microsecond and more
 * for an object that is put together from parts of others and new fields.
 */

function lease({ attempt, retries, crashes, queuedAt }: Job, node: number): Job {
  return { attempt: attempt + 1, retries, crashes, moves: 0, wish: 'none', queuedAt, status: 'leased', node };
}

function end(job: Job, event: Extract<JobEvent, { type: 'end' }>): Job | IllegalTransition {
  if (!isHeldByNode(job) || event.attempt !== job.attempt) return refuse(job, event);
  const { attempt, retries, crashes, moves, queuedAt, node } = job;
  const { at: endedAt, outcome, usage, output } = event;
  const started = event.started ?? ('startedAt' in job ? { at: job.startedAt, launcher: job.launcher } : undefined);
  const [wish, status] = ['none', 'ended'] as const;
  if (started === undefined)
    return { attempt, retries, crashes, moves, wish, queuedAt, status, outcome, endedAt, usage, output, node };
  const { at: startedAt, launcher } = started;
  return {
    attempt,
    retries,
    crashes,
    moves,
    wish,
    queuedAt,
    status,
    outcome,
    endedAt,
    usage,
    output,
    node,
    startedAt,
    launcher,
  };
}

function excuse(job: Job, event: Extract<JobEvent, { type: 'excuse' }>): Job | IllegalTransition {
  if (event.attempt !== job.attempt) return refuse(job, event);
  const again = { ...history(job), retries: Math.max(0, job.retries - event.retries), queuedAt: event.at };
  if (job.status === 'ended' && isFailure(job.outcome.kind)) return { ...again, wish: 'none', status: 'queued' };
  // It waits for its retry already. Where no retry is on record a person has queued it again meanwhile.
  if ((job.status === 'queued' || job.status === 'held') && event.retries > 0 && job.retries > 0)
    return { ...again, status: job.status };
  return refuse(job, event);
}

function lose(job: Job, event: Extract<JobEvent, { type: 'lose' }>): Job | IllegalTransition {
  if (!isHeldByNode(job) || event.attempt !== job.attempt) return refuse(job, event);
  if (job.wish === 'cancel') return cancelled(job, 'user', event.at);
  const over = lostAttempt(job, event.at);
  if (over.crashes >= crashLimit) return over;
  return { ...history(over), queuedAt: event.at, status: 'queued' };
}

/** What is left of an attempt that died with its node: for the history, as the job goes on. */
export function lostAttempt(job: Job, at: number): Job {
  return {
    ...history(job),
    crashes: job.crashes + 1,
    wish: 'none',
    status: 'ended',
    outcome: { kind: 'lost' },
    endedAt: at,
    usage: noUsage,
    output: noOutput,
    ...('node' in job && job.node !== undefined ? { node: job.node } : {}),
    ...('startedAt' in job && job.startedAt !== undefined && job.launcher !== undefined
      ? { startedAt: job.startedAt, launcher: job.launcher }
      : {}),
  };
}

function cancelled(job: Job, by: CancelledBy, at: number): Job {
  return {
    ...history(job),
    wish: 'none',
    status: 'ended',
    outcome: { kind: 'cancelled', by },
    endedAt: at,
    usage: noUsage,
    output: noOutput,
  };
}

function history(job: Job): Pick<Job, 'attempt' | 'retries' | 'crashes' | 'moves' | 'wish' | 'queuedAt'> {
  const { attempt, retries, crashes, moves, wish, queuedAt } = job;
  return { attempt, retries, crashes, moves, wish, queuedAt };
}

function refuse(job: Job, event: JobEvent): IllegalTransition {
  const attempt = 'attempt' in event && event.attempt !== job.attempt ? ` of attempt ${event.attempt}` : '';
  return {
    illegal: true,
    why: `'${event.type}'${attempt} does not apply to a job that is ${job.status} in attempt ${job.attempt}`,
  };
}
