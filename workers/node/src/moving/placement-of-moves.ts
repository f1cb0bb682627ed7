import type { Place } from '@omx/balance';
import type { NodeInfo } from '@omx/core';
import { type Asking, requirementOf, suits } from '@omx/queue';

/**
 * The other nodes that may have a job of this one, whatever they do now: those its batch allows, with the launcher and such a
 * processor, and, where it was started by root, with a worker that is root.
 */
export function placesFor(spec: Asking, self: NodeInfo, nodes: readonly NodeInfo[]): string[] {
  const requirement = requirementOf(spec);
  return nodes
    .filter(
      (node) =>
        node.name !== self.name &&
        node.role !== 'home' &&
        node.launchers.includes('criu') &&
        node.arch === self.arch &&
        (self.account.uid !== 0 || node.account.uid === 0) &&
        suits(requirement, node),
    )
    .map(({ name }) => name);
}

/** What has been sent to a node and is not in what it says of itself. */
export interface Sent {
  readonly to: string;
  readonly slots: number;
  readonly cpus: number;
  readonly rss: number;
  /** Milliseconds since the epoch, by the queue's clock; undefined while it is on its way. */
  arrivedAt?: number;
}

/** A node as one who looks for a place sees it. One that does not know its memory has enough. */
export function placeOf(node: NodeInfo, sent: readonly Sent[]): Place {
  const coming = sent.filter(({ to }) => to === node.name);
  const sum = (what: 'slots' | 'cpus' | 'rss'): number => coming.reduce((total, each) => total + each[what], 0);
  const { name, state, role, cpus, speed, externalLoad, memTotal } = node;
  return {
    ...{ name, state, role, cpus, speed, externalLoad, memTotal },
    memFree: memTotal === 0 ? Infinity : node.memFree - sum('rss'),
    freeSlots: freeSlots(node, node.running + sum('slots')),
    load: node.load + sum('cpus'),
  };
}

/** As the node itself reckons when it is asked to take a job. */
export function freeSlots({ slots, maxSlots }: NodeInfo, taken: number): number {
  return (taken === 0 ? maxSlots : slots) - taken;
}

/** What is known of how long a job still runs. */
export interface Leaving {
  readonly ageMs: number;
  /** How long the jobs of its batch run, as learned; undefined before the first has ended. */
  readonly meanMs: number | undefined;
}

/**
 * Which of two jobs leaves first: the one that has longer to go, as it gains most. One that is over what was learned goes on
 * as long again; where nothing was learned, the one that has lost least so far may have most before it.
 */
export function compareLeaving(a: Leaving, b: Leaving): number {
  const [one, other] = [remainingMs(a), remainingMs(b)];
  return one === other ? a.ageMs - b.ageMs : other - one;
}

function remainingMs({ ageMs, meanMs }: Leaving): number {
  return meanMs === undefined ? Infinity : Math.abs(meanMs - ageMs);
}
