import { applyEvent, type BatchId, isIllegal, type Job, type JobEvent } from '@omx/core';
import {
  type BatchStore,
  changeTo,
  type JobChange,
  type JobSnapshot,
  type JobStore,
  jobAfter,
  type WriteResult,
} from '@omx/queue';

import type { Attempt } from './attempt.ts';
import type { BatchCache } from './batch-cache.ts';
import { inOneWrite, type Report, reportsPerWrite, withoutStartsOver } from './report.ts';

export interface ReporterEvents {
  /** The report is in the queue, or was refused for good. */
  readonly settled: (report: Report, accepted: boolean) => void;
  readonly written: (batch: BatchId, result: WriteResult) => void;
  readonly failed: (error: unknown) => void;
}

/** Shortest time between two writes, by how many reports the last one had: the more jobs end, the less each of them waits for it. */
function gatherMs(count: number): number {
  if (count < 2) return 5;
  return count < 8 ? 20 : 40;
}

/** Before a refused write is tried again. */
const refusedMs = 1000;

/**
 * Writes what happened to attempts, in groups: while one write of a batch is under way, what comes in meanwhile waits
 * for the next, so the groups grow with the load and a single end is written at once. Nothing is given up while Redis
 * is away; the ends stand in the shepherd's journal until they are settled here.
 */
export class Reporter {
  readonly #batches: BatchStore;
  readonly #jobs: JobStore;
  readonly #cache: BatchCache;
  readonly #events: ReporterEvents;
  readonly #pending = new Map<BatchId, Report[]>();
  readonly #flushing = new Map<BatchId, Promise<void>>();
  /** Ends the wait for more reports. */
  readonly #gathering = new Map<BatchId, () => void>();
  #lastWrite = 0;
  #lastCount = 0;

  constructor(options: { batches: BatchStore; jobs: JobStore; cache: BatchCache; events: ReporterEvents }) {
    this.#batches = options.batches;
    this.#jobs = options.jobs;
    this.#cache = options.cache;
    this.#events = options.events;
  }

  report(report: Report): void {
    const { batch } = report.attempt;
    const pending = this.#pending.get(batch);
    if (pending === undefined) this.#pending.set(batch, [report]);
    else if (pending.push(report) === reportsPerWrite) this.#gathering.get(batch)?.();
    if (!this.#flushing.has(batch)) {
      this.#flushing.set(batch, this.#flush(batch).catch(this.#events.failed));
    }
  }

  /** Writes one event of an attempt that goes on. @returns false where the attempt is no longer ours: nothing was written */
  async write(attempt: Attempt, event: JobEvent): Promise<boolean> {
    return new Promise((resolve) => this.report({ attempt, event, told: resolve }));
  }

  /** Waits until everything reported so far is settled. */
  async idle(): Promise<void> {
    while (this.#flushing.size > 0) await Promise.all(this.#flushing.values());
  }

  async #flush(batch: BatchId): Promise<void> {
    try {
      for (;;) {
        await this.#gather(batch);
        const pending = this.#pending.get(batch) ?? [];
        if (pending.length === 0) break;
        const group = inOneWrite(pending);
        this.#pending.set(batch, pending.slice(group.length));
        const unsettled = new Set(withoutStartsOver(group));
        this.#lastCount = unsettled.size;
        try {
          await this.#write(batch, unsettled);
        } catch (error) {
          // A queue that refuses to write (a full disk, no memory) does so for a while; nothing may be lost by it.
          this.#events.failed(error);
          this.#pending.set(batch, [...unsettled, ...(this.#pending.get(batch) ?? [])]);
          await new Promise((resolve) => setTimeout(resolve, refusedMs));
        }
      }
      this.#pending.delete(batch);
    } finally {
      // In the same turn as the last look, so that no report that comes now is overlooked.
      this.#flushing.delete(batch);
    }
  }

  /** A report after a quiet moment goes at once; in a stream of them a few milliseconds make groups, until one is full. */
  async #gather(batch: BatchId): Promise<void> {
    const isFull = (this.#pending.get(batch)?.length ?? 0) >= reportsPerWrite;
    const waitMs = isFull ? -1 : this.#lastWrite + gatherMs(this.#lastCount) - performance.now();
    await new Promise<void>((resolve) => {
      if (waitMs < 0) {
        setImmediate(resolve);
        return;
      }
      const timer = setTimeout(resolve, waitMs);
      this.#gathering.set(batch, () => {
        clearTimeout(timer);
        resolve();
      });
    });
    this.#gathering.delete(batch);
    this.#lastWrite = performance.now();
  }

  /** Writes the reports and takes each out of the set when it is settled. */
  async #write(id: BatchId, reports: Set<Report>): Promise<void> {
    const runtime = await this.#cache.get(id);
    if (runtime === undefined) {
      for (const report of reports) this.#settle(reports, report, false);
      return;
    }
    let open = [...reports];
    while (open.length > 0) {
      const changes = new Map<Report, JobChange>();
      // What follows another of the same attempt can only be told once that is written.
      const inTurn = new Set<Attempt>();
      const later: Report[] = [];
      for (const report of open) {
        if (inTurn.has(report.attempt)) {
          later.push(report);
          continue;
        }
        inTurn.add(report.attempt);
        const change = changeOf(report);
        if (change === undefined) await this.#supersede(reports, report);
        else changes.set(report, change);
      }
      const written = [...changes.keys()];
      const result = await this.#jobs.write(runtime.batch, [...changes.values()], {
        outputs: written.flatMap((report) => report.output ?? []),
        rows: written.flatMap((report) => report.rows ?? []),
        offers: written.flatMap(({ attempt, retryAt, offerAt = retryAt }) =>
          offerAt === undefined ? [] : [{ spans: [{ first: attempt.ordinal, last: attempt.ordinal }], at: offerAt }],
        ),
      });
      const conflicts = new Map(result.conflicts.map((snapshot) => [snapshot.ordinal, snapshot]));
      open = [];
      for (const [report, change] of changes) {
        const conflict = conflicts.get(report.attempt.ordinal);
        if (conflict === undefined) {
          report.attempt.snapshot = jobAfter(change);
          this.#settle(reports, report, true);
        } else if (stillOurs(report.attempt, conflict)) {
          report.attempt.snapshot = conflict;
          open.push(report);
        } else {
          await this.#supersede(reports, report, conflict.job);
        }
      }
      open.push(...later);
      this.#events.written(id, result);
    }
  }

  /** A newer attempt exists, or the job was ended by others: the late result is kept apart and changes nothing. */
  async #supersede(reports: Set<Report>, report: Report, actual: Job = report.attempt.snapshot.job): Promise<void> {
    const runtime = await this.#cache.get(report.attempt.batch);
    if (runtime !== undefined && report.event.type === 'end') {
      const text = JSON.stringify({
        attempt: report.attempt.key,
        end: report.event,
        jobWas: `${actual.status} in attempt ${actual.attempt}`,
      });
      await this.#jobs.keepSuperseded(runtime.batch, text);
      await this.#batches.addNote(
        report.attempt.batch,
        `${report.attempt.key}: its result came too late and was superseded`,
      );
    }
    this.#settle(reports, report, false);
  }

  #settle(reports: Set<Report>, report: Report, accepted: boolean): void {
    reports.delete(report);
    report.told?.(accepted);
    this.#events.settled(report, accepted);
  }
}

function changeOf(report: Report): JobChange | undefined {
  const { snapshot } = report.attempt;
  const after = applyEvent(snapshot.job, report.event);
  if (isIllegal(after)) return undefined;
  const hasPackedOutput = report.output !== undefined;
  const change = changeTo(snapshot, report.event, after, hasPackedOutput);
  // Who cancels a job does not want it tried again.
  if (report.retryAt === undefined || snapshot.job.wish === 'cancel') return change;
  const again = applyEvent(after, { type: 'retry', at: report.retryAt });
  return isIllegal(again) ? change : { snapshot, next: again, ended: after, hasPackedOutput };
}

function stillOurs(attempt: Attempt, actual: JobSnapshot): boolean {
  const ours = attempt.snapshot.job;
  return (
    'node' in actual.job &&
    'node' in ours &&
    actual.job.status !== 'ended' &&
    actual.job.attempt === attempt.number &&
    actual.job.node === ours.node
  );
}
