import { sharedSlots } from '@omx/balance';
import type { NodeStore } from '@omx/queue';

/**
 * How many slots a node acts as if it had for jobs that share them, going by what the others say of themselves. Times are
 * of `performance.now()`.
 */
export class SlotSharing {
  readonly #nodes: Pick<NodeStore, 'list'>;
  readonly #self: string;
  /** Since when, over calls without a longer gap, the others could have taken what waits; and when that was last asked. */
  #since: number | undefined;
  #askedAt = Number.NEGATIVE_INFINITY;

  constructor(nodes: Pick<NodeStore, 'list'>, self: string) {
    this.#nodes = nodes;
    this.#self = self;
  }

  /** Call it again and again while there is work: it measures by its calls. */
  async slots(slots: number, now: number): Promise<number> {
    if (now - this.#askedAt > longestGapMs) this.#since = undefined;
    this.#askedAt = now;
    this.#since ??= now;
    const others = (await this.#nodes.list()).filter(
      ({ name, state, role }) => name !== this.#self && state === 'up' && role !== 'home',
    );
    const most = sharedSlots(slots, others, now - this.#since);
    // Nobody has a slot free: should one get free later, that one has its chance from then on.
    if (most > slots && others.every((other) => other.running >= other.slots)) this.#since = undefined;
    return most;
  }
}

/** Nodes with nothing to do look for work every three seconds. */
const longestGapMs = 5000;
