import type { OnLost } from '@omx/core';
import { readBootTimeMs } from '@omx/launch';
import type { LeaseHolder, NodeStore } from '@omx/queue';

/** The last part of a lease is left unused, so that jobs are stopped for sure before others start them. */
const unusedPart = 1 / 6;

interface LeaseOptions {
  readonly nodes: Pick<NodeStore, 'takeLease'>;
  readonly name: string;
  /** Tells this node, over restarts, from another of the same name. */
  readonly identity: string;
  readonly leaseMs: number;
  readonly onLost: OnLost;
  /** CLOCK_BOOTTIME, milliseconds; for tests. */
  readonly now?: () => number;
}

/**
 * This node's right to run what it was given, as far as it can know by itself. It counts from *before* a renewal was
 * sent, by a clock nobody can set, while others count from when they last saw one, so the node's end comes first.
 *
 * A refused connection is as good as a renewal: where nobody listens nobody else can take the jobs, and those who judge
 * others begin to count anew after each interruption (`LeaseWatch`). Silence is not: it may be this node that is cut off.
 */
export class Lease {
  readonly #options: LeaseOptions;
  readonly #now: () => number;
  #until = 0;
  #wasLost = true;

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#now = options.now ?? readBootTimeMs;
  }

  get onLost(): OnLost {
    return this.#options.onLost;
  }

  /** The end of the lease, CLOCK_BOOTTIME in milliseconds. */
  get until(): number {
    return this.#until;
  }

  /** For how many milliseconds the node may run jobs for sure. */
  get leftMs(): number {
    return Math.max(0, this.#until - this.#now());
  }

  /** Whether the node may run jobs now. */
  get holds(): boolean {
    return this.#now() < this.#until;
  }

  /** Asks for more time. With `lost` the lease had run out before: others may have taken jobs meanwhile. */
  async renew(): Promise<{ readonly holder: LeaseHolder; readonly lost: boolean }> {
    const { nodes, name, identity, leaseMs } = this.#options;
    const asked = this.#now();
    const holder = await nodes.takeLease(name, identity, leaseMs);
    if (holder !== 'us') return { holder, lost: true };
    const lost = this.#wasLost || !this.holds;
    this.#wasLost = false;
    this.#extend(asked);
    return { holder, lost };
  }

  /** Nobody listens where the queue is. @returns whether that prolonged the lease */
  queueIsDown(): boolean {
    if (!this.holds) return false;
    this.#extend(this.#now());
    return true;
  }

  /** What was taken on trust has to be checked again at the next renewal. */
  doubt(): void {
    this.#wasLost = true;
  }

  #extend(from: number): void {
    this.#until = Math.max(this.#until, from + this.#options.leaseMs * (1 - unusedPart));
  }
}
