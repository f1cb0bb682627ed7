import { mayTakeCrowded, type OtherNodes } from '@omx/balance';
import type { NodeInfo } from '@omx/core';
import type { NodeStore } from '@omx/queue';

/**
 * A node that offers no slots, as others want all its processors, takes a job only where nobody else would for a while.
 * Times are of `performance.now()`.
 */
export class Crowding {
  readonly #nodes: Pick<NodeStore, 'list'>;
  readonly #self: string;
  /** Since the node offers no slots or had its last job; undefined while it offers some. */
  #since: number | undefined;

  constructor(nodes: Pick<NodeStore, 'list'>, self: string) {
    this.#nodes = nodes;
    this.#self = self;
  }

  /** Whether the node may take one job although it offers no slots. Call it again and again: it measures by its calls. */
  async mayTake(slots: number, running: number, now: number): Promise<boolean> {
    if (slots > 0) {
      this.#since = undefined;
      return false;
    }
    if (running > 0) this.#since = now;
    this.#since ??= now;
    if (running > 0) return false;
    const others = (await this.#nodes.list()).filter((node) => node.name !== this.#self);
    return mayTakeCrowded({ running, waitedMs: now - this.#since, others: situationOf(others) });
  }
}

function situationOf(others: readonly NodeInfo[]): OtherNodes {
  const taking = others.filter(({ state, role, slots }) => state === 'up' && role !== 'home' && slots > 0);
  if (taking.length === 0) return 'none';
  return taking.some(({ running, slots }) => running < slots) ? 'free' : 'full';
}
