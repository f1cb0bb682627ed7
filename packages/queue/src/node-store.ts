import { ExitCode, type NodeInfo, OmxError } from '@omx/core';
import type { Redis } from 'ioredis';

import { globalKeys } from './keys.ts';
import { queueClock } from './queue-clock.ts';
import { Script } from './script.ts';
import { claimLease, describeNode, removeIfSame, takeLease } from './scripts/node-scripts.ts';

const scripts = {
  take: new Script(takeLease),
  claim: new Script(claimLease),
  describe: new Script(describeNode),
  fulfilled: new Script(removeIfSame),
};

/**
 * What a person wants of a node; it outlives the node's worker. `drained`: to take no more jobs and to give away those it
 * runs, until somebody says `trusted`, which also ends a quarantine. `gone`: it will not come back, so its jobs may be
 * given to others whatever it said.
 */
export interface NodeWish {
  readonly state: 'drained' | 'trusted' | 'gone';
  readonly reason: string;
  /** With `drained`: running jobs that cannot be moved are ended and queued again. Absent: they are waited for. */
  readonly requeue?: boolean;
  /** Milliseconds since the epoch. */
  readonly since: number;
}

/** Who holds a node's lease. */
export type LeaseHolder = 'us' | 'another' | 'rescuer';

const rescuerMark = 'rescue:';

/**
 * The nodes that have joined, with what they last said of themselves, and their leases.
 *
 * A lease is a key that runs out, and a counter of how often it was renewed. The key tells at a glance who is up. Whether
 * a node is *lost* is not left to it, as it goes by the server's clock, which may be set: others watch the counter stand
 * still for the length of the lease by their own clocks (`LeaseWatch` in the worker), and then take the lease themselves
 * while they free the node's jobs, so that it cannot come back in the middle.
 */
export class NodeStore {
  readonly #redis: Redis;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  /** Says how a node is. @returns what is wanted of it, as `wanted` has it */
  async describe(node: NodeInfo): Promise<NodeWish | undefined> {
    const args = [node.name, JSON.stringify(node), globalKeys.wanted];
    const wish = String(await scripts.describe.run(this.#redis, globalKeys.nodes, args));
    return wish === '' ? undefined : (JSON.parse(wish) as NodeWish);
  }

  /** All known nodes, each as it last described itself, whether or not it is still there. */
  async described(): Promise<NodeInfo[]> {
    return Object.values(await this.#redis.hgetall(globalKeys.nodes)).map((text) => JSON.parse(text) as NodeInfo);
  }

  /** All known nodes by name; one whose lease has run out is down, whatever it said last. */
  async list(): Promise<NodeInfo[]> {
    const stored = await this.described();
    if (stored.length === 0) return [];
    const holders = await this.#redis.mget(stored.map((node) => globalKeys.nodeLease(node.name)));
    return stored
      .map((node, at) => {
        const holder = holders[at] ?? null;
        const held = holder !== null && !holder.startsWith(rescuerMark);
        const { trying: _trying, ...gone } = node;
        return held ? node : { ...gone, state: 'down' as const, running: 0 };
      })
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** @throws OmxError with exit code 4 when no such node ever joined */
  async find(name: string): Promise<NodeInfo> {
    const node = (await this.list()).find((known) => known.name === name);
    if (node !== undefined) return node;
    throw new OmxError(`there is no node ${name}`, {
      code: 'NO_SUCH_NODE',
      exitCode: ExitCode.notFound,
      hint: 'omx nodes lists the nodes',
    });
  }

  /** Takes or renews the right to be this node. */
  async takeLease(node: string, identity: string, leaseMs: number): Promise<LeaseHolder> {
    const holder = String(
      await scripts.take.run(this.#redis, globalKeys.nodeLease(node), [identity, leaseMs, globalKeys.beats, node]),
    );
    if (holder === identity) return 'us';
    return holder.startsWith(rescuerMark) ? 'rescuer' : 'another';
  }

  async giveUpLease(node: string, identity: string): Promise<void> {
    if ((await this.#redis.get(globalKeys.nodeLease(node))) === identity)
      await this.#redis.del(globalKeys.nodeLease(node));
  }

  /** How often each node has renewed its lease. */
  async beats(): Promise<Map<string, number>> {
    const beats = await this.#redis.hgetall(globalKeys.beats);
    return new Map(Object.entries(beats).map(([node, count]) => [node, Number(count)]));
  }

  /**
   * Takes the lease of a node that is gone, for `forMs`, to free its jobs.
   * @param beats the counter as it stood when the node was found to be gone
   * @returns false where the node has come back or somebody else is at it
   */
  async claimLease(node: string, rescuer: string, beats: number, forMs: number): Promise<boolean> {
    const args = [`${rescuerMark}${rescuer}`, beats, forMs, globalKeys.beats, node, rescuerMark];
    return (await scripts.claim.run(this.#redis, globalKeys.nodeLease(node), args)) === 1;
  }

  async endClaim(node: string, rescuer: string): Promise<void> {
    await this.giveUpLease(node, `${rescuerMark}${rescuer}`);
  }

  /** Asks something of a node; `undefined`: nothing any more. */
  async want(node: string, wish: Omit<NodeWish, 'since'> | undefined): Promise<void> {
    if (wish === undefined) await this.#redis.hdel(globalKeys.wanted, node);
    else await this.#redis.hset(globalKeys.wanted, node, JSON.stringify({ ...wish, since: queueClock.now() }));
    await this.#redis.publish(globalKeys.wake, `node ${node}`);
  }

  async wanted(node: string): Promise<NodeWish | undefined> {
    const text = await this.#redis.hget(globalKeys.wanted, node);
    return text === null ? undefined : (JSON.parse(text) as NodeWish);
  }

  /** A wish has been fulfilled: it is forgotten, unless somebody wishes something else by now. */
  async fulfilled(node: string, wish: NodeWish): Promise<void> {
    await scripts.fulfilled.run(this.#redis, globalKeys.wanted, [node, JSON.stringify(wish)]);
  }

  /** The nodes of which a person says that they will not come back. */
  async gone(): Promise<Set<string>> {
    const wishes = Object.entries(await this.#redis.hgetall(globalKeys.wanted));
    return new Set(wishes.flatMap(([node, text]) => ((JSON.parse(text) as NodeWish).state === 'gone' ? [node] : [])));
  }

  /** Forgets a node for good. Its jobs must have been freed. */
  async remove(node: string): Promise<void> {
    await this.#redis.hdel(globalKeys.nodes, node);
    await this.#redis.hdel(globalKeys.beats, node);
    await this.#redis.hdel(globalKeys.wanted, node);
  }
}
