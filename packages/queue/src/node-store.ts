import { nodeLeaseMs, type NodeInfo } from '@omx/core';
import type { Redis } from 'ioredis';

import { globalKeys } from './keys.ts';
import { Script } from './script.ts';
import { takeLease } from './scripts/batch-scripts.ts';

const lease = new Script(takeLease);

/** The nodes that have joined, with what they last said of themselves. */
export class NodeStore {
  readonly #redis: Redis;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  async describe(node: NodeInfo): Promise<void> {
    await this.#redis.hset(globalKeys.nodes, node.name, JSON.stringify(node));
  }

  /** All known nodes by name; one whose lease has run out is down, whatever it said last. */
  async list(): Promise<NodeInfo[]> {
    const stored = Object.values(await this.#redis.hgetall(globalKeys.nodes)).map(
      (text) => JSON.parse(text) as NodeInfo,
    );
    const leases =
      stored.length === 0
        ? []
        : await Promise.all(stored.map(async (node) => this.#redis.exists(globalKeys.nodeLease(node.name))));
    return stored
      .map((node, at) => (leases[at] === 1 ? node : { ...node, state: 'down' as const, running: 0 }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Takes or renews the right to be this node; the reply names who has it. */
  async takeLease(node: string, identity: string): Promise<string> {
    return String(await lease.run(this.#redis, globalKeys.nodeLease(node), [identity, nodeLeaseMs]));
  }

  async giveUpLease(node: string, identity: string): Promise<void> {
    if ((await this.#redis.get(globalKeys.nodeLease(node))) === identity)
      await this.#redis.del(globalKeys.nodeLease(node));
  }

  async remove(node: string): Promise<void> {
    await this.#redis.hdel(globalKeys.nodes, node);
  }
}
