import type { BatchId } from '@omx/core';

import type { Attempt } from './attempt.ts';

/** So much work of short jobs is with the shepherd beyond what runs: it needs no word from here to start the next. */
const followMs = 20;
const mostBehindOne = 32;

/** A job that runs, and those that start one after another when it has ended. */
interface Row {
  lead: Attempt;
  readonly waiting: Attempt[];
}

/**
 * Short jobs follow one another in the shepherd. Otherwise each would cost a wake-up of the worker and one of the shepherd, and its
 * slot would be idle meanwhile. A job follows only one of its own batch that takes the same: it needs no place of its own.
 */
export class Followers {
  /** By all that are in them. */
  readonly #rows = new Map<Attempt, Row>();
  readonly #waiting = new Set<Attempt>();

  /** Those that wait for another to end. */
  get waiting(): ReadonlySet<Attempt> {
    return this.#waiting;
  }

  /** It starts, and others may follow. */
  lead(attempt: Attempt): void {
    this.#rows.set(attempt, { lead: attempt, waiting: [] });
  }

  /** How many may be added now, of jobs that run for so long on the average. */
  room(batch: BatchId, meanMs: number | undefined): number {
    const depth = depthFor(meanMs);
    let room = 0;
    for (const { lead, waiting } of this.#rowsOf(batch))
      if (mayFollow(lead)) room += Math.max(0, depth - waiting.length);
    return room;
  }

  /** Puts it behind the shortest row. @returns whom it follows; undefined where there is nobody any more */
  add(attempt: Attempt): Attempt | undefined {
    let shortest: Row | undefined;
    for (const row of this.#rowsOf(attempt.batch)) {
      const { lead, waiting } = row;
      if (!mayFollow(lead) || lead.slots !== attempt.slots || lead.memBytes !== attempt.memBytes) continue;
      if (shortest === undefined || waiting.length < shortest.waiting.length) shortest = row;
    }
    if (shortest === undefined) return undefined;
    const last = shortest.waiting.at(-1) ?? shortest.lead;
    shortest.waiting.push(attempt);
    this.#rows.set(attempt, shortest);
    this.#waiting.add(attempt);
    return last;
  }

  /** Those behind a job that runs for longer than was thought. */
  behind(lead: Attempt): readonly Attempt[] {
    return this.#rows.get(lead)?.waiting ?? [];
  }

  /** It has ended, or will not start. @returns the one that starts for it */
  over(attempt: Attempt): Attempt | undefined {
    const row = this.#rows.get(attempt);
    this.#rows.delete(attempt);
    if (row === undefined) return undefined;
    if (row.lead !== attempt) {
      row.waiting.splice(row.waiting.indexOf(attempt), 1);
      this.#waiting.delete(attempt);
      return undefined;
    }
    const next = row.waiting.shift();
    if (next === undefined) return undefined;
    row.lead = next;
    this.#waiting.delete(next);
    return next;
  }

  *#rowsOf(batch: BatchId): Iterable<Row> {
    for (const [attempt, row] of this.#rows) if (row.lead === attempt && attempt.batch === batch) yield row;
  }
}

function depthFor(meanMs: number | undefined): number {
  return meanMs === undefined ? 0 : Math.min(mostBehindOne, Math.floor(followMs / Math.max(meanMs, 0.1)));
}

function mayFollow({ paused, fenced, cancelledBy, phase }: Attempt): boolean {
  return (
    paused !== true && fenced !== true && cancelledBy === undefined && (phase === 'starting' || phase === 'running')
  );
}
