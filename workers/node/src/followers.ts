import type { Attempt } from './attempt.ts';

/** So much work of short jobs is with the shepherd beyond what runs: it needs no word from here to start the next. */
const followMs = 40;
const mostBehindOne = 32;

/** A job that runs, and those that start one after another when it has ended. */
interface Row {
  lead: Attempt;
  readonly waiting: Attempt[];
  /** Nobody else is to wait in it: what runs is no short job, is paused, or the node takes no more. */
  isClosed: boolean;
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
    this.#rows.set(attempt, { lead: attempt, waiting: [], isClosed: false });
  }

  /** How many like this one may be added now, of a batch whose jobs run for so long on the average. */
  room(like: Attempt, meanMs: number | undefined): number {
    const depth = depthFor(meanMs);
    let room = 0;
    for (const { waiting } of this.#rowsFor(like)) room += Math.max(0, depth - waiting.length);
    return room;
  }

  /** Puts it behind the shortest row. @returns whom it follows; undefined where there is nobody any more */
  add(attempt: Attempt): Attempt | undefined {
    let shortest: Row | undefined;
    for (const row of this.#rowsFor(attempt))
      if (shortest === undefined || row.waiting.length < shortest.waiting.length) shortest = row;
    if (shortest === undefined) return undefined;
    const last = shortest.waiting.at(-1) ?? shortest.lead;
    shortest.waiting.push(attempt);
    this.#rows.set(attempt, shortest);
    this.#waiting.add(attempt);
    return last;
  }

  /** Nobody joins its row any more until the next has started. @returns those that wait in it */
  close(lead: Attempt): readonly Attempt[] {
    const row = this.#rows.get(lead);
    if (row === undefined || row.lead !== lead) return [];
    row.isClosed = true;
    return row.waiting;
  }

  /** The same for every row. */
  closeAll(): readonly Attempt[] {
    for (const row of this.#rows.values()) row.isClosed = true;
    return [...this.#waiting];
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
    row.isClosed = false;
    this.#waiting.delete(next);
    return next;
  }

  *#rowsFor({ batch, slots, memBytes }: Attempt): Iterable<Row> {
    for (const [attempt, row] of this.#rows) {
      const { lead } = row;
      if (lead !== attempt || row.isClosed || !mayBeFollowed(lead)) continue;
      if (lead.batch === batch && lead.slots === slots && lead.memBytes === memBytes) yield row;
    }
  }
}

function depthFor(meanMs: number | undefined): number {
  return meanMs === undefined ? 0 : Math.min(mostBehindOne, Math.floor(followMs / Math.max(meanMs, 0.1)));
}

function mayBeFollowed({ paused, fenced, cancelledBy, phase }: Attempt): boolean {
  return (
    paused !== true && fenced !== true && cancelledBy === undefined && (phase === 'starting' || phase === 'running')
  );
}
