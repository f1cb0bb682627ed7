/** What a job takes of its node while it runs. Who does not say how much memory (`--mem`) counts for none. */
export interface Demand {
  readonly slots: number;
  readonly memBytes?: number;
}

export interface JobDemand extends Demand {
  /** It shares slots with others of its kind (`--oversubscribe`). */
  readonly oversubscribe?: boolean;
}

/** What a node has. */
export interface Capacity {
  /** Slots it offers now; fewer than `maxSlots` while others use the machine. */
  readonly slots: number;
  readonly maxSlots: number;
  /** Jobs that share slots are started while all jobs take fewer than so many. @defaultValue `slots` */
  readonly sharedSlots?: number;
  /** Infinity where it is not known. */
  readonly memBytes: number;
}

export const nothing: Required<Demand> = { slots: 0, memBytes: 0 };

export function plus(sum: Required<Demand>, { slots, memBytes = 0 }: Demand): Required<Demand> {
  return { slots: sum.slots + slots, memBytes: sum.memBytes + memBytes };
}

export function minus(sum: Required<Demand>, { slots, memBytes = 0 }: Demand): Required<Demand> {
  return { slots: sum.slots - slots, memBytes: sum.memBytes - memBytes };
}

export function sumOf(demands: Iterable<Demand>): Required<Demand> {
  let sum = nothing;
  for (const demand of demands) sum = plus(sum, demand);
  return sum;
}

/** Whether the node could hold the job if nothing else ran there. */
export function canHold({ maxSlots, memBytes }: Capacity, demand: Demand): boolean {
  return demand.slots <= maxSlots && (demand.memBytes ?? 0) <= memBytes;
}

/**
 * Whether the node holds the job now beside what it has, which all counts the same: jobs that share slots leave none to
 * others while they are more than the slots. One that asks for more slots than the node offers now gets the
 * whole node: it would wait as long as others use the machine, which may be for ever.
 */
export function fits(capacity: Capacity, used: Required<Demand>, job: JobDemand): boolean {
  const { slots, memBytes = 0, oversubscribe } = job;
  const offered = oversubscribe === true ? sharedSlotsOf(capacity) : capacity.slots;
  const free = used.slots === 0 ? capacity.maxSlots : offered - used.slots;
  return slots <= free && (memBytes === 0 || used.memBytes + memBytes <= capacity.memBytes);
}

/**
 * Those of the claimed jobs, in their order, that start now. What does not fit keeps its place: others pass it only where
 * that does not make it wait longer, so that small jobs cannot hold up a large one for ever.
 */
export function startable<Job extends JobDemand>(
  capacity: Capacity,
  running: Required<Demand>,
  ready: readonly Job[],
): Job[] {
  const starting: Job[] = [];
  let used = running;
  for (const job of ready) {
    if (used.slots > 0 && used.slots >= sharedSlotsOf(capacity)) break;
    if (fits(capacity, used, job)) starting.push(job);
    used = plus(used, job);
  }
  return starting;
}

function sharedSlotsOf({ slots, sharedSlots }: Capacity): number {
  return Math.max(slots, sharedSlots ?? slots);
}

/** What a node may claim beside what it has: as much as it can start, and one job that then waits for its place. */
export class ClaimRoom {
  readonly #capacity: Capacity;
  /** Slots' worth of jobs that are claimed ahead. */
  readonly #ahead: number;
  #used: Required<Demand>;

  constructor(capacity: Capacity, ahead: number, used: Required<Demand>) {
    this.#capacity = capacity;
    this.#ahead = ahead;
    this.#used = used;
  }

  /** Whether anything may be claimed; what shares slots may be even where not. */
  get isOpen(): boolean {
    return this.#used.slots < this.#capacity.slots + this.#ahead;
  }

  /** Whether to look for more: not for each job that ends while half of what is claimed ahead is still there. */
  get isDue(): boolean {
    return this.#used.slots < this.#capacity.slots || this.#used.slots <= this.#capacity.slots + this.#ahead / 2;
  }

  admits(demand: JobDemand): boolean {
    if (!canHold(this.#capacity, demand)) return false;
    if (this.isOpen) return this.#fits(demand) || !this.#somebodyWaits;
    return demand.oversubscribe === true && fits(this.#capacity, this.#used, demand);
  }

  /** Takes the place of a job if there is one. */
  take(demand: JobDemand): boolean {
    if (!this.admits(demand)) return false;
    this.#used = plus(this.#used, demand);
    return true;
  }

  release(demand: Demand): void {
    this.#used = minus(this.#used, demand);
  }

  get #somebodyWaits(): boolean {
    return this.#used.slots > this.#capacity.slots + this.#ahead || this.#used.memBytes > this.#capacity.memBytes;
  }

  #fits(demand: JobDemand): boolean {
    return fits({ ...this.#capacity, slots: this.#capacity.slots + this.#ahead }, this.#used, demand);
  }
}
