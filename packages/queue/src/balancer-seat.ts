import type { Redis } from 'ioredis';

import { globalKeys } from './keys.ts';

/**
 * The right to move running jobs about, which one worker has at a time. It runs out soon after its holder is gone. Two that
 * believe for a moment to have it do no harm: each move is refused or made by the node that has the job.
 */
export class BalancerSeat {
  readonly #redis: Redis;
  readonly #node: string;

  constructor(redis: Redis, node: string) {
    this.#redis = redis;
    this.#node = node;
  }

  /** Takes it where nobody has it, or keeps it. @returns whether it is ours */
  async take(forMs: number): Promise<boolean> {
    if ((await this.#redis.set(globalKeys.balancer, this.#node, 'PX', forMs, 'NX')) === 'OK') return true;
    if ((await this.#redis.get(globalKeys.balancer)) !== this.#node) return false;
    return (await this.#redis.pexpire(globalKeys.balancer, forMs)) === 1;
  }

  /** For others to take it at once. */
  async leave(): Promise<void> {
    if ((await this.#redis.get(globalKeys.balancer)) === this.#node) await this.#redis.del(globalKeys.balancer);
  }
}
