import type { JobEvent } from '@omx/core';
import type { JobRows, PackedOutput } from '@omx/queue';

import type { Attempt } from './attempt.ts';

/** A change of one attempt on its way into the queue. */
export interface Report {
  readonly attempt: Attempt;
  readonly event: JobEvent;
  /** After the end: the job is queued again, not before this time. */
  readonly retryAt?: number | undefined;
  /** The job goes back to the queue with this report, to be handed out from this time on (-1: before others). */
  readonly offerAt?: number;
  readonly output?: PackedOutput | undefined;
  readonly rows?: JobRows | undefined;
  /** Of the rows, as JSON. */
  readonly rowBytes?: number | undefined;
  /** Hears whether it was accepted. */
  readonly told?: (accepted: boolean) => void;
}

export const reportsPerWrite = 500;
/** One job may have 8 MiB of them; an argument of a command to Redis has 512 MiB at most. */
const rowBytesPerWrite = 32 * 1024 * 1024;

/** The first of those that wait, as many as go into one write. */
export function inOneWrite(pending: readonly Report[]): Report[] {
  let bytes = 0;
  let count = 0;
  for (const { rowBytes = 0 } of pending) {
    bytes += rowBytes;
    if (count === reportsPerWrite || (count > 0 && bytes > rowBytesPerWrite)) break;
    count += 1;
  }
  return pending.slice(0, count);
}

/** Whether the attempt is none of this node's after the event. */
export function isOver({ type }: JobEvent): boolean {
  return type === 'end' || type === 'requeue' || type === 'lose' || type === 'give-back';
}

/** A start whose end is in the same group need not be written. */
export function withoutStartsOver(reports: readonly Report[]): Report[] {
  const ended = new Set(reports.filter((report) => isOver(report.event)).map((report) => report.attempt));
  return reports.filter((report) => report.event.type !== 'start' || !ended.has(report.attempt));
}
