import type { Attempt } from './attempt.ts';

/** So much work of short jobs is with the shepherd beyond what runs: it needs no word from here to start the next. */
const followMs = 40;
const mostBehindOne = 32;
/** Behind a job that takes longer than that, but not longer than this, waits one other: a slot is idle for some milliseconds else. */
export const longestFollowedMs = 200;

/** A job that runs, and those that start one after another when it has ended. */
interface Row {
  lead: Attempt;
  readonly waiting: Attempt[];
  /** Nobody else is to wait in it: what runs is no short job, is paused, or the node takes no more. */
  isClosed: boolean;
  /** Who waits in it does so for a job that is known not to end at once. */
  isPatient: boolean;
}

/**
 * Short jobs follow one another in the shepherd. Otherwise each would cost a wake-up of the worker and one of the shepherd, and its
 * slot would be idle meanwhile. A job follows only one of its own batch that takes the same: it needs no place of its own.
 */
export class Followers {
  readonly #rows = new Set<Row>();
  /** By all that are in them. */
  readonly #rowOf = new Map<Attempt, Row>();
  readonly #waiting = new Set<Attempt>();
  /** Of those that wait, who has been told to come back and has not answered. */
  readonly #recalled = new Set<Attempt>();

  /** Those that wait for another to end. */
  get waiting(): ReadonlySet<Attempt> {
    return this.#waiting;
  }

  /** It starts, and others may follow. @param likelyMs as for `room` */
  lead(attempt: Attempt, likelyMs: number | undefined): void {
    const row = { lead: attempt, waiting: [], isClosed: false, isPatient: isForPatient(likelyMs) };
    this.#rows.add(row);
    this.#rowOf.set(attempt, row);
  }

  /** How many like this one may be added now, of a batch whose jobs take so long at most, as far as is known. */
  room(like: Attempt, likelyMs: number | undefined): number {
    const depth = depthFor(likelyMs);
    let room = 0;
    for (const { waiting } of this.#rowsFor(like)) room += Math.max(0, depth - waiting.length);
    return room;
  }

  /**
   * Puts each of these, who are alike, behind the row that is shortest then.
   * @param likelyMs as for `room`
   * @returns whom they follow; none where nobody is left
   */
  add(attempts: readonly Attempt[], likelyMs: number | undefined): Attempt[] {
    const [first] = attempts;
    const rows = first === undefined ? [] : [...this.#rowsFor(first)];
    rows.sort((one, other) => one.waiting.length - other.waiting.length);
    const before: Attempt[] = [];
    const isPatient = isForPatient(likelyMs);
    let at = 0;
    for (const attempt of attempts) {
      const row = rows[at];
      if (row === undefined) break;
      before.push(row.waiting.at(-1) ?? row.lead);
      row.waiting.push(attempt);
      row.isPatient = isPatient;
      this.#rowOf.set(attempt, row);
      this.#waiting.add(attempt);
      // All before this one are as long as it is now, so it is the next or the first.
      at = (rows[at + 1]?.waiting.length ?? Infinity) < row.waiting.length ? at + 1 : 0;
    }
    return before;
  }

  /** Whether those behind it will wait for longer than for most jobs. */
  arePatient(lead: Attempt): boolean {
    return this.#rowOf.get(lead)?.isPatient === true;
  }

  /** Nobody joins its row any more until the next has started. @returns those that wait in it */
  close(lead: Attempt): readonly Attempt[] {
    const row = this.#rowOf.get(lead);
    if (row === undefined || row.lead !== lead) return [];
    row.isClosed = true;
    return this.#recall(row.waiting);
  }

  /** So many that wait patiently could start now: nobody joins their rows any more. @returns them */
  closePatient(count: number): readonly Attempt[] {
    const found: Attempt[] = [];
    for (const row of this.#rows) {
      const last = row.waiting.at(-1);
      if (found.length >= count) break;
      if (last === undefined || row.isClosed || !row.isPatient) continue;
      row.isClosed = true;
      found.push(last);
    }
    return this.#recall(found);
  }

  /** Nobody joins any row until its next has started. @returns all that wait */
  closeAll(): readonly Attempt[] {
    for (const row of this.#rows) row.isClosed = true;
    return this.#recall([...this.#waiting]);
  }

  /** It has ended, or will not start. @returns the one that starts for it */
  over(attempt: Attempt): Attempt | undefined {
    const row = this.#rowOf.get(attempt);
    this.#rowOf.delete(attempt);
    this.#recalled.delete(attempt);
    if (row === undefined) return undefined;
    if (row.lead !== attempt) {
      row.waiting.splice(row.waiting.indexOf(attempt), 1);
      this.#waiting.delete(attempt);
      return undefined;
    }
    const next = row.waiting.shift();
    if (next === undefined) {
      this.#rows.delete(row);
      return undefined;
    }
    row.lead = next;
    row.isClosed = false;
    this.#waiting.delete(next);
    this.#recalled.delete(next);
    return next;
  }

  #recall(waiting: readonly Attempt[]): readonly Attempt[] {
    for (const attempt of waiting) this.#recalled.add(attempt);
    return waiting;
  }

  *#rowsFor(like: Attempt): Iterable<Row> {
    for (const row of this.#rows) {
      const { lead, waiting } = row;
      if (row.isClosed || !mayBeFollowed(lead) || this.#mayBeGone(waiting.at(-1))) continue;
      if (takesTheSame(lead, like)) yield row;
    }
  }

  /** The shepherd may know already that it does not start, and would start at once whoever is to follow it. */
  #mayBeGone(last: Attempt | undefined): boolean {
    return last !== undefined && (this.#recalled.has(last) || last.cancelledBy !== undefined || last.fenced === true);
  }
}

/** Whether they are of one batch, and one needs no more room than the other. */
export function takesTheSame(one: Attempt, other: Attempt): boolean {
  return one.batch === other.batch && one.slots === other.slots && one.memBytes === other.memBytes;
}

function depthFor(likelyMs: number | undefined): number {
  if (likelyMs === undefined || likelyMs > longestFollowedMs) return 0;
  return Math.max(1, Math.min(mostBehindOne, Math.floor(followMs / Math.max(likelyMs, 0.1))));
}

function isForPatient(likelyMs: number | undefined): boolean {
  return likelyMs !== undefined && likelyMs > followMs && likelyMs <= longestFollowedMs;
}

function mayBeFollowed({ paused, fenced, cancelledBy, phase }: Attempt): boolean {
  return (
    paused !== true && fenced !== true && cancelledBy === undefined && (phase === 'starting' || phase === 'running')
  );
}
