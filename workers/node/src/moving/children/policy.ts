import type { NodeInfo } from '@omx/core';
import type { Child } from '@omx/launch';

import { freeSlots } from '../placement-of-moves.ts';

/**
 * A child that has computed for so long may go: most that have will for as long again, and to send one costs some 0.2 s.
 * CPU time, milliseconds.
 */
export const leastCpuMs = 1000;

/** How many busy children are more than this node has processors for, with the slots of its other jobs. */
export function surplusOf(crowd: {
  readonly busyChildren: number;
  readonly otherSlots: number;
  readonly cpus: number;
  readonly slots: number;
}): number {
  const { busyChildren, otherSlots, cpus, slots } = crowd;
  return Math.max(0, busyChildren + otherSlots - Math.max(1, Math.min(Math.floor(cpus), slots)));
}

/** Those that may go, the one that has computed most, and so is likely to have most before it, first. */
export function candidatesAmong(children: readonly Child[]): readonly Child[] {
  return children.filter(({ isBusy, cpuMs }) => isBusy && cpuMs >= leastCpuMs).toSorted((a, b) => b.cpuMs - a.cpuMs);
}

/**
 * The node with most free slots among those that may have a child; among equals at random. Undefined where none has one.
 * @param unseen slots given to it that it has not told of yet
 */
export function placeFor(
  nodes: readonly NodeInfo[],
  unseen: (node: NodeInfo) => number,
  random: () => number = Math.random,
): string | undefined {
  const free = nodes
    .filter(({ state }) => state === 'up')
    .map((node) => ({ name: node.name, slots: freeSlots(node, node.running + unseen(node)), order: random() }))
    .filter(({ slots }) => slots > 0);
  return free.toSorted((a, b) => b.slots - a.slots || a.order - b.order)[0]?.name;
}
