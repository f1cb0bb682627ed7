import {
  type Batch,
  countSpans,
  doneCount,
  formatSpans,
  indexOf,
  OmxError,
  ExitCode,
  type Span,
  type StateCounts,
  stateName,
  untouchedStates,
  zeroCounts,
} from '@omx/core';
import { batchKeys, progressOf } from '@omx/queue';

import type { Selection } from '../select.ts';
import type { Session } from '../session.ts';

/** A batch, or some of its jobs, that a command waits for. */
export class WaitTarget {
  batch: Batch;
  /** As a selector: `b7`, `b7.3`. */
  readonly label: string;
  readonly total: number;
  readonly whole: boolean;
  counts: StateCounts = zeroCounts();
  firstStartAt: number | undefined;
  readonly #spans: readonly Span[];
  /** Of some jobs: pieces of blocks that still have jobs not ended, and the counts of the rest. */
  #open: readonly Span[];
  #settled = zeroCounts();

  constructor({ batch, spans, whole }: Selection) {
    this.batch = batch;
    this.whole = whole;
    this.label = selectionLabel({ batch, spans, whole });
    this.total = whole ? batch.total : countSpans(spans);
    this.#spans = spans;
    this.#open = spans;
  }

  get hasEnded(): boolean {
    return doneCount(this.counts) === this.total;
  }

  /** Nothing of it will move before somebody releases it. */
  get isHeld(): boolean {
    const { held, queued, running, paused, frozen } = this.counts;
    return held > 0 && queued + running + paused + frozen === 0;
  }

  /** What is left of it has been stopped. */
  get isPaused(): boolean {
    const { held, queued, running, paused, frozen } = this.counts;
    return paused > 0 && held + queued + running + frozen === 0;
  }

  /** Reads how it stands; `again` also looks at jobs that had ended before, as somebody may have run them again. */
  async look(session: Session, again: boolean): Promise<void> {
    const keys = batchKeys(this.batch.id);
    const [meta, sums] = await Promise.all([
      session.redis.hmget(keys.meta, 'untouched', 'note'),
      session.redis.hgetall(keys.sums),
    ]);
    const untouched = untouchedStates.find((state) => state === meta[0]);
    if (untouched === undefined) {
      throw new OmxError(`batch ${this.batch.id} is no longer in the queue`, {
        code: 'NO_SUCH_BATCH',
        exitCode: ExitCode.notFound,
      });
    }
    this.batch = { ...this.batch, untouched, note: meta[1] ?? '' };
    const progress = progressOf(this.batch, sums);
    this.firstStartAt = progress.firstStartAt;
    if (this.whole) this.counts = progress.counts;
    else await this.#scan(session, again);
  }

  async #scan(session: Session, again: boolean): Promise<void> {
    if (again) {
      this.#open = this.#spans;
      this.#settled = zeroCounts();
    }
    const open: Span[] = [];
    const moving = zeroCounts();
    for await (const snapshots of session.jobs.scan(this.batch, this.#open)) {
      const [first, last] = [snapshots[0], snapshots.at(-1)];
      if (first === undefined || last === undefined) continue;
      const settled = snapshots.every(({ job }) => job.status === 'ended');
      const counts = settled ? this.#settled : moving;
      for (const { job } of snapshots) counts[stateName(job)] += 1;
      if (!settled) open.push({ first: first.ordinal, last: last.ordinal });
    }
    this.#open = open;
    this.counts = addCounts(this.#settled, moving);
  }
}

/** A selection as a user would type it, shortened where it would be long. */
export function selectionLabel({ batch, spans, whole }: Selection): string {
  if (whole) return batch.id;
  const { jobs } = batch.spec;
  const shown = spans
    .slice(0, 4)
    .map(({ first, last }) => ({ first: indexOf(jobs, first), last: indexOf(jobs, last) }));
  return `${batch.id}.${formatSpans(shown)}${spans.length > 4 ? ',…' : ''}`;
}

export function addCounts(a: StateCounts, b: StateCounts): StateCounts {
  const sum = zeroCounts();
  for (const name of Object.keys(sum) as (keyof StateCounts)[]) sum[name] = a[name] + b[name];
  return sum;
}
