import { type BatchState, batchState, doneCount, type StateCounts, stateName, zeroCounts } from '@omx/core';

import { etaMs } from './render/eta.ts';
import { isoTime, secondsOfMs, secondsOfUs } from './render/times.ts';
import { failuresOnly, jobFilter, type Selection, type StateFilter } from './select.ts';
import type { Session } from './session.ts';
import { selectionLabel } from './wait/target.ts';

/** A batch, or some jobs of it, as `status` shows it. */
export interface BatchView {
  readonly selection: Selection;
  /** As a selector: `b7`, or `b7.1-9` of some of its jobs. */
  readonly id: string;
  readonly state: BatchState;
  readonly total: number;
  readonly counts: StateCounts;
  readonly startedAt: number | undefined;
  readonly endedAt: number | undefined;
  readonly realMs: number;
  readonly userUs: number;
  readonly sysUs: number;
  readonly etaMs: number | undefined;
}

interface Sums {
  readonly total: number;
  readonly counts: StateCounts;
  readonly startedAt: number | undefined;
  readonly endedAt: number | undefined;
  readonly userUs: number;
  readonly sysUs: number;
}

/** Of a whole batch from its counters alone, however many jobs it has; of some jobs from their records. */
export async function viewSelection(
  session: Session,
  selection: Selection,
  now: number,
  filter: StateFilter = {},
): Promise<BatchView> {
  const narrowed = !selection.whole || filter.failed === true || filter.state !== undefined;
  const sums = narrowed ? await sumJobs(session, selection, filter) : await sumBatch(session, selection);
  const { counts, total, startedAt } = sums;
  const ended = doneCount(counts) === total;
  const endedAt = ended ? sums.endedAt : undefined;
  return {
    selection,
    id: selectionLabel(selection),
    state: batchState(counts, total),
    total,
    counts,
    startedAt,
    endedAt,
    realMs: startedAt === undefined ? 0 : Math.max(0, (ended ? (endedAt ?? startedAt) : now) - startedAt),
    userUs: sums.userUs,
    sysUs: sums.sysUs,
    etaMs: etaMs(counts, total, startedAt, now),
  };
}

async function sumBatch(session: Session, { batch }: Selection): Promise<Sums> {
  const { counts, firstStartAt, endedAt, userUs, sysUs } = await session.batches.progress(batch);
  return { total: batch.total, counts, startedAt: firstStartAt, endedAt, userUs, sysUs };
}

async function sumJobs(session: Session, { batch, spans }: Selection, filter: StateFilter): Promise<Sums> {
  const passes = jobFilter(filter);
  const counts = zeroCounts();
  let startedAt: number | undefined;
  let endedAt: number | undefined;
  let userUs = 0;
  let sysUs = 0;
  let total = 0;
  for await (const snapshots of session.jobs.scan(batch, spans, { failedOnly: failuresOnly(filter) })) {
    for (const { job } of snapshots) {
      if (!passes(job)) continue;
      total += 1;
      counts[stateName(job)] += 1;
      if ('startedAt' in job && job.startedAt !== undefined) startedAt = Math.min(startedAt ?? Infinity, job.startedAt);
      if (job.status !== 'ended') continue;
      endedAt = Math.max(endedAt ?? 0, job.endedAt);
      userUs += job.usage.userUs;
      sysUs += job.usage.sysUs;
    }
  }
  return { total, counts, startedAt, endedAt, userUs, sysUs };
}

/** The fields of `status --json`. */
export function statusJson(view: BatchView): Record<string, unknown> {
  const { counts } = view;
  const { batch } = view.selection;
  return {
    id: view.id,
    name: batch.spec.name,
    state: view.state,
    total: view.total,
    counts: {
      held: counts.held,
      queued: counts.queued,
      running: counts.running + counts.paused,
      frozen: counts.frozen,
      succeeded: counts.succeeded,
      failed: counts.failed,
      cancelled: counts.cancelled,
      lost: counts.lost,
    },
    submittedAt: isoTime(batch.submittedAt),
    startedAt: isoTime(view.startedAt),
    endedAt: isoTime(view.endedAt),
    real: secondsOfMs(view.realMs),
    user: secondsOfUs(view.userUs),
    sys: secondsOfUs(view.sysUs),
  };
}
