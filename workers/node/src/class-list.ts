import { type BatchId, batchId } from '@omx/core';
import {
  globalKeys,
  isTrying,
  type NodeOffer,
  nodesFor,
  NodeStore,
  offers,
  parsePlacementClass,
  type Redis,
  type Requirement,
  suits,
} from '@omx/queue';
import type { Delivery } from '@omx/queue/delivery';

import type { JobDemand } from './capacity.ts';

/** A placement class this node may take chunks of. */
export interface TakenClass {
  readonly name: string;
  /** What each of its jobs takes at most. */
  readonly demand: JobDemand;
  /** It asks for certain nodes or labels. */
  readonly isChoosy: boolean;
  /** The batch of its next chunk, where that is known. */
  readonly next?: BatchId;
}

/** What was read holds for so long; in a quiet queue for longer, as a wake-up has it read at once. */
const knownForMs = 500;
const quietlyKnownForMs = 5000;

/** The placement classes there are, as far as they concern this node. */
export class ClassList {
  readonly #redis: Redis;
  readonly #delivery: Delivery;
  readonly #node: NodeOffer;
  #classes: readonly TakenClass[] = [];
  #names: readonly string[] = [];
  #readAt = Number.NEGATIVE_INFINITY;
  /** How many nodes have joined, this one and those that are down included. */
  nodeCount = 1;

  constructor(redis: Redis, delivery: Delivery, node: NodeOffer) {
    this.#redis = redis;
    this.#delivery = delivery;
    this.#node = node;
  }

  /** Whether there are jobs that share slots, as it was at the last look. */
  get hadSharing(): boolean {
    return this.#classes.some(({ demand }) => demand.oversubscribe === true);
  }

  async haveSharing(isQuiet: boolean): Promise<boolean> {
    await this.#keepUp(isQuiet);
    return this.hadSharing;
  }

  /** There may be a new one. */
  expire(): void {
    this.#readAt = Number.NEGATIVE_INFINITY;
  }

  /**
   * In the order in which their chunks are to be taken.
   * @param look whether it must be known which batch comes next
   * @param isQuiet nothing has been heard since the last look
   */
  async inOrder(look: boolean, isQuiet: boolean): Promise<readonly TakenClass[]> {
    await this.#keepUp(isQuiet);
    if (this.#classes.length <= 1 && !look) return this.#classes;
    const heads = await this.#delivery.heads(this.#classes.map(({ name }) => name));
    // One without a chunk comes last: it may have one whose time has come just now.
    const last = { rank: Infinity, batch: Infinity };
    return this.#classes
      .map((each) => ({ each, head: heads.get(each.name) ?? last }))
      .toSorted(
        (a, b) =>
          compare(a.head.rank, b.head.rank) ||
          // Others may take the rest.
          compare(Number(b.each.isChoosy), Number(a.each.isChoosy)) ||
          compare(a.head.batch, b.head.batch),
      )
      .map(({ each, head }) => (head === last ? each : { ...each, next: batchId(head.batch) }));
  }

  async #keepUp(isQuiet: boolean): Promise<void> {
    if (performance.now() - this.#readAt > (isQuiet ? quietlyKnownForMs : knownForMs)) await this.#read();
  }

  /** They matter where this node cannot start something that they can. */
  async #others(asked: readonly Requirement[]): Promise<readonly NodeOffer[]> {
    if (asked.every((requirement) => offers(requirement, this.#node))) return [];
    const known = await new NodeStore(this.#redis).list();
    return known.filter(({ name, role }) => name !== this.#node.name && role !== 'home');
  }

  async #read(): Promise<void> {
    const [names, nodeCount] = await Promise.all([
      this.#redis.smembers(globalKeys.classes),
      this.#redis.hlen(globalKeys.nodes),
    ]);
    this.nodeCount = nodeCount;
    for (const name of this.#names) if (!names.includes(name)) await this.#delivery.forget(name);
    this.#names = names;
    const asked = names.map((name) => ({ name, requirement: parsePlacementClass(name) }));
    const others = await this.#others(asked.map(({ requirement }) => requirement));
    this.#classes = asked.flatMap(({ name, requirement }) => {
      const { nodes, labels, cpus, memBytes, oversubscribe } = requirement;
      // What it cannot know yet it leaves to others, or to later.
      if (!suits(requirement, this.#node) || isTrying(requirement, this.#node)) return [];
      if (!nodesFor(requirement, [this.#node, ...others]).includes(this.#node)) return [];
      const demand = { slots: cpus, oversubscribe, ...(memBytes === 0 ? {} : { memBytes }) };
      return [{ name, demand, isChoosy: nodes.length + Object.keys(labels).length > 0 }];
    });
    this.#readAt = performance.now();
  }
}

/** Infinity is as large as itself. */
function compare(a: number, b: number): number {
  return a === b ? 0 : a - b;
}
