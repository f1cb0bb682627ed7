import type { AttemptEnd, BatchId } from '@omx/core';

/** So many failures in a row are worth a look. */
export const streakLength = 5;
/** A job that ran for longer had begun its work. */
const atOnceMs = 2000;
/** After so long without a job the next failure has nothing to do with the last one. */
export const streakGapMs = 60_000;
/** Of a longer streak only the newest are kept. */
const mostKept = 10_000;

/** An attempt that failed on this node. */
export interface Failure {
  readonly batch: BatchId;
  readonly ordinal: number;
  readonly index: number;
  readonly attempt: number;
  /** It used up a retry, and the job was queued again. */
  readonly retried: boolean;
  /** When it ended, by the queue's clock. */
  readonly at: number;
}

/** What an end says about the node that saw it. */
export type Sign = 'good' | 'none' | 'failed' | 'failed-at-once';

export function signOf({ outcome, at, started }: AttemptEnd): Sign {
  switch (outcome.kind) {
    case 'exited':
    case 'signalled':
    case 'not-started':
      return started === undefined || at - started.at <= atOnceMs ? 'failed-at-once' : 'failed';
    case 'cancelled':
    case 'lost':
      return 'none';
    case 'succeeded':
    case 'timed-out':
    case 'oom':
      return 'good';
  }
}

/** The failures at once since the last job that was well or at least ran for a while. */
export class Streak {
  #failures: Failure[] = [];
  #length = 0;

  /** How many there were, also those no longer kept. */
  get length(): number {
    return this.#length;
  }

  get failures(): readonly Failure[] {
    return this.#failures;
  }

  add(failure: Failure): void {
    const last = this.#failures.at(-1);
    if (last !== undefined && failure.at - last.at > streakGapMs) this.end();
    this.#length += 1;
    this.#failures.push(failure);
    if (this.#failures.length >= 2 * mostKept) this.#failures = this.#failures.slice(-mostKept);
  }

  end(): void {
    if (this.#length === 0) return;
    this.#length = 0;
    this.#failures = [];
  }
}
