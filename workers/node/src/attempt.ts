import type { BatchId, CancelledBy, LauncherName } from '@omx/core';
import type { JobSnapshot } from '@omx/queue';

/**
 * One attempt this node is responsible for, from the claim until its end is recorded.
 *
 * ready (claimed, no slot yet) → starting → running → ending (the process is gone, its record is not written yet)
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
  /** The job's record as last read or written: what the next write is compared against. */
  snapshot: JobSnapshot;
  phase: 'ready' | 'starting' | 'running' | 'ending';
  launcher: LauncherName;
  pid?: number;
  startedAt?: number;
  /** Set when omx itself ends the attempt. */
  cancelledBy?: CancelledBy;
  paused?: boolean;
  memBytes?: number;
}

/** The attempts of this node by key, and how many slots are taken. */
export class Attempts {
  readonly #byKey = new Map<string, Attempt>();
  #taken = 0;
  #running = 0;

  get(key: string): Attempt | undefined {
    return this.#byKey.get(key);
  }

  add(attempt: Attempt): void {
    this.#byKey.set(attempt.key, attempt);
    if (attempt.phase !== 'ready') this.#take(attempt, 1);
  }

  /** A slot is taken from starting on, and free again as soon as the process is gone. */
  move(attempt: Attempt, phase: Attempt['phase']): void {
    const before = holdsSlot(attempt);
    attempt.phase = phase;
    const after = holdsSlot(attempt);
    if (before !== after) this.#take(attempt, after ? 1 : -1);
  }

  remove(attempt: Attempt): void {
    if (!this.#byKey.delete(attempt.key)) return;
    if (holdsSlot(attempt)) this.#take(attempt, -1);
  }

  get slotsTaken(): number {
    return this.#taken;
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
    this.#taken += sign * attempt.slots;
    this.#running += sign;
  }
}

function holdsSlot(attempt: Attempt): boolean {
  return attempt.phase === 'starting' || attempt.phase === 'running';
}
