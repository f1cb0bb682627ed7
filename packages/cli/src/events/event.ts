import type { BatchId, BatchState, LauncherName, OutcomeKind, StateCounts } from '@omx/core';
import type { NodeEventType } from '@omx/queue';

/**
 * Everything `omx events` can say. Nobody writes these down while jobs run: those of batches and jobs are read off their
 * records, those of nodes off a log of the newest 10,000; only moves and images stand in a log of each batch, the newest 5000. So what a record no longer tells is not told: of a batch run
 * again its newest end.
 *
 * - `batch-submitted`
 * - `batch-started`: its first job has
 * - `batch-ended`: no job is left to do, until somebody runs one again
 * - `batch-note`: what a user or omx did with it: held, cancelled, jobs freed from a lost node
 * - `job-started`: an attempt has
 * - `job-moved`: it went on at another node; `pause` is how long it stood still for that, seconds
 * - `job-not-moved`: it was to move and stays where it is; `reason` says why
 * - `job-frozen`, `job-thawed`: a user had it kept as an image (`omx pause --freeze`), and it goes on
 * - `job-checkpointed`: an image of it was made at a user's wish (`omx checkpoint`), and is kept by `keeper`
 * - `job-ended`: the job has its outcome; once for each job, and again when it was run again
 * - `job-retried`: an attempt failed, and the next starts at `notBefore` or later
 * - `job-resumed`: the attempt went on from an image of one that was lost, instead of beginning anew
 * - `job-lost`: an attempt died with its node, and the job is queued again
 * - `job-requeued`: an attempt was stopped by its node for no fault of the job (its worker left), and the job is queued again
 * - `job-excused`: an attempt failed for a fault of its node and does not count, and the job is queued again
 * - `job-rerun`: a user wants it done again
 * - `node-…`: see `nodeEventTypes` in the queue
 */
export type OmxEvent = BatchEvent | JobEvent | NodeEvent;

interface When {
  /** Milliseconds since the epoch, by the queue's clock. */
  readonly at: number;
}

export type BatchEvent = When & { readonly id: BatchId } & (
    | { readonly type: 'batch-submitted'; readonly name: string; readonly total: number }
    | { readonly type: 'batch-started' }
    | { readonly type: 'batch-ended'; readonly state: BatchState; readonly counts: Partial<StateCounts> }
    | { readonly type: 'batch-note'; readonly text: string }
  );

export type JobEvent = When & {
  /** `b7.3` */
  readonly id: string;
  readonly attempt: number;
} & (
    | { readonly type: 'job-started'; readonly node: string; readonly launcher: LauncherName | null }
    | ({ readonly type: 'job-ended' | 'job-excused' } & JobEnd)
    | ({ readonly type: 'job-retried'; readonly notBefore: string | null } & JobEnd)
    | {
        readonly type: 'job-moved';
        readonly from: string;
        readonly to: string;
        readonly why: string;
        readonly pause: number;
        readonly bytes: number;
      }
    | {
        readonly type: 'job-not-moved';
        readonly from: string;
        readonly to: string;
        readonly why: string;
        readonly reason: string;
      }
    | { readonly type: 'job-frozen' | 'job-thawed' | 'job-resumed'; readonly node: string }
    | {
        readonly type: 'job-checkpointed';
        readonly node: string;
        readonly keeper: string;
        readonly pause: number;
        readonly bytes: number;
      }
    | { readonly type: 'job-lost'; readonly node: string | null }
    | { readonly type: 'job-requeued' | 'job-rerun' }
  );

/** Fields as of `omx jobs --json`. */
export interface JobEnd {
  readonly node: string | null;
  readonly outcome: OutcomeKind;
  readonly exitCode: number | null;
  readonly signal: string | null;
}

export type NodeEvent = When & { readonly type: NodeEventType; readonly node: string; readonly text: string };

/** An event as it is printed. */
export function eventJson(event: OmxEvent): Record<string, unknown> {
  const { at, type, ...rest } = event;
  return { at: new Date(at).toISOString(), type, ...rest };
}

/** What happened at the same moment happened in this order. */
const order = ['batch-submitted', 'batch-note', 'batch-started', 'job-', 'node-', 'batch-ended'] as const;

export function compareEvents(a: OmxEvent, b: OmxEvent): number {
  // As they are printed, to the millisecond: the ends of jobs are known more exactly than that of their batch.
  return Math.floor(a.at) - Math.floor(b.at) || placeOf(a) - placeOf(b) || a.at - b.at;
}

function placeOf({ type }: OmxEvent): number {
  return order.findIndex((start) => type.startsWith(start));
}
