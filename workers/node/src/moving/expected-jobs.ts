import type { Done, ExpectRequest, Refusal } from '@omx/queue';

import type { Attempts } from '../attempt.ts';
import type { Capacity } from '../capacity.ts';
import type { Executor } from '../executor.ts';

/** Who does not ask again has found another place, or is gone. */
const expectedMs = 2500;

interface ExpectedJobsOptions {
  readonly node: string;
  readonly attempts: Pick<Attempts, 'get'>;
  readonly executor: Pick<Executor, 'used' | 'onRoom'>;
  readonly capacity: () => Capacity;
}

interface Expected {
  readonly slots: number;
  readonly until: number;
}

/**
 * Jobs of nodes that are to be empty, for which slots are kept that get free here. Without that they would never leave while
 * anything waits in the queue: a free slot is taken in the same moment.
 */
export class ExpectedJobs {
  readonly #options: ExpectedJobsOptions;
  /** By the attempt's key, in the order in which they were asked for. */
  readonly #jobs = new Map<string, Expected>();

  constructor(options: ExpectedJobsOptions) {
    this.#options = options;
  }

  /** Answers `expect`. Who asked first is served first. */
  expect({ batch, ordinal, attempt, slots }: ExpectRequest): Done | Refusal {
    const { node, executor } = this.#options;
    const key = `${batch}.${ordinal}#${attempt}`;
    this.#forget();
    this.#jobs.set(key, { slots, until: performance.now() + expectedMs });
    // What is kept for it is everybody's again when it has not come.
    setTimeout(() => executor.onRoom(), expectedMs + 1).unref();
    if (this.#free - this.#slotsBefore(key) >= slots) return { done: true };
    // What waits here for a slot goes back to the queue now.
    executor.onRoom();
    return { refused: `node ${node} is full; the next slot that gets free there is kept for it` };
  }

  /** Every slot that is free is kept for a job that comes. */
  get takesAll(): boolean {
    this.#forget();
    return this.#jobs.size > 0 && this.#free <= this.#slotsBefore(undefined);
  }

  get #free(): number {
    const { executor, capacity } = this.#options;
    const { slots, maxSlots } = capacity();
    return executor.used.slots === 0 ? maxSlots : slots - executor.used.slots;
  }

  /** Of the jobs that were expected before this one, or of all. */
  #slotsBefore(key: string | undefined): number {
    let sum = 0;
    for (const [each, { slots }] of this.#jobs) {
      if (each === key) break;
      sum += slots;
    }
    return sum;
  }

  #forget(): void {
    const now = performance.now();
    // One that has come, or is on its way, is counted as one of the node's own.
    for (const [key, { until }] of this.#jobs)
      if (until <= now || this.#options.attempts.get(key) !== undefined) this.#jobs.delete(key);
  }
}
