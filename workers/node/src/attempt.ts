import type { BatchId, CancelledBy, LauncherName } from '@omx/core';
import type { ShepherdEvent } from '@omx/launch';
import { type KnownJob, queueClock } from '@omx/queue';

import { type Demand, minus, nothing, plus, sumOf } from './capacity.ts';

/**
 * One attempt this node is responsible for, from the claim until its end is recorded.
 *
 * ready (claimed, no slot yet) → next (with the shepherd, behind another) → starting → running → ending (the process is gone, its record is not written yet)
 *                                    ↑         ↓
 *                                    └───── frozen (by its user: an image on the disk, no processes, no slot)
 * arriving (from another node, which still answers for it; its slot is kept) → running
 */
export interface Attempt {
  /** The attempt's name here and in the shepherd: `b7.12#2`. */
  readonly key: string;
  readonly batch: BatchId;
  readonly ordinal: number;
  readonly index: number;
  readonly number: number;
  /** Slots it takes while it runs. */
  readonly slots: number;
  /** It shares slots with others of its kind. */
  readonly oversubscribe?: boolean;
  /** The job's record as last read or written: what the next write is compared against. */
  snapshot: KnownJob;
  phase: 'ready' | 'next' | 'starting' | 'running' | 'frozen' | 'arriving' | 'ending';
  launcher: LauncherName;
  pid?: number;
  startedAt?: number;
  /** Set when omx itself ends the attempt. */
  cancelledBy?: CancelledBy;
  paused?: boolean;
  /** Somebody else has the job now. */
  fenced?: boolean;
  memBytes?: number;
  /** What is being done with it as a whole; one thing at a time. */
  inHand?: 'move' | 'image' | 'freeze' | 'thaw';
  /** So many of its children run on other nodes, or are on their way: it can only be moved as a whole once they are back. */
  childrenAway?: number;
  /** It was thawed here: when it began the shepherd does not know. */
  isCopy?: boolean;
  /** Ends what is being waited for before it can begin here: it is cancelled, somebody else's, or given back. */
  stopWaiting?: () => void;
  /** Takes what the shepherd tells of it, instead of the executor: its process is being ended or made by whoever moves it. */
  hears?: (event: ShepherdEvent) => void;
  /** When it was claimed, by `performance.now()`. */
  claimedAt?: number;
}

/** The attempts of this node by key, and what they take of it. */
export class Attempts {
  readonly #byKey = new Map<string, Attempt>();
  #taken = nothing;
  #running = 0;

  get(key: string): Attempt | undefined {
    return this.#byKey.get(key);
  }

  add(attempt: Attempt): void {
    this.#byKey.set(attempt.key, attempt);
    if (holdsSlot(attempt)) this.#take(attempt, 1);
  }

  /** A slot is taken from starting on, and free again as soon as the process is gone. */
  move(attempt: Attempt, phase: Attempt['phase']): void {
    const before = holdsSlot(attempt);
    attempt.phase = phase;
    const after = holdsSlot(attempt);
    // Of one that was removed meanwhile nothing is taken.
    if (before !== after && this.#byKey.get(attempt.key) === attempt) this.#take(attempt, after ? 1 : -1);
  }

  remove(attempt: Attempt): void {
    // A job that was given back and taken again has the same key.
    if (this.#byKey.get(attempt.key) !== attempt) return;
    this.#byKey.delete(attempt.key);
    if (holdsSlot(attempt)) this.#take(attempt, -1);
  }

  /** By what runs or is about to. */
  get taken(): Required<Demand> {
    return this.#taken;
  }

  /** Slots of jobs that have been running for longer than so many milliseconds. */
  slotsHeldFor(ms: number): number {
    const since = queueClock.now() - ms;
    const long = [...this.#byKey.values()].filter(
      (attempt) => attempt.phase === 'running' && (attempt.startedAt ?? since) < since,
    );
    return sumOf(long).slots;
  }

  get running(): number {
    return this.#running;
  }

  get size(): number {
    return this.#byKey.size;
  }

  all(): IterableIterator<Attempt> {
    return this.#byKey.values();
  }

  ofBatch(batch: BatchId): Attempt[] {
    return [...this.#byKey.values()].filter((attempt) => attempt.batch === batch);
  }

  #take(attempt: Attempt, sign: 1 | -1): void {
    this.#taken = (sign > 0 ? plus : minus)(this.#taken, attempt);
    this.#running += sign;
  }
}

function holdsSlot(attempt: Attempt): boolean {
  return attempt.phase === 'starting' || attempt.phase === 'running' || attempt.phase === 'arriving';
}
