import { defaultMigrationPolicy, type MigrationPolicy } from './policy.ts';
import { drawNearBest } from './proposal.ts';
import type { BalancedJob, BalancedNode } from './snapshot.ts';
import { pace } from './standing.ts';

/** A node with what wants to run there. */
export interface Place extends BalancedNode {
  /** In CPUs, everybody's. */
  readonly load: number;
}

interface PlaceOptions {
  /** Draws among nodes that are as good: 0 up to 1. */
  readonly random: () => number;
  readonly policy?: Partial<MigrationPolicy>;
}

/**
 * Where a job goes that has to leave its node: where it gets on fastest, of the nodes that are up, take work, are among
 * its places and have the slots and the memory. Nothing need be gained by it.
 *
 * @returns the node's name; undefined: there is no such node now
 */
export function bestPlace(
  job: Pick<BalancedJob, 'cpus' | 'rss' | 'slots' | 'places'>,
  nodes: readonly Place[],
  { random, policy }: PlaceOptions,
): string | undefined {
  const { ampleMemory, nearEqual } = { ...defaultMigrationPolicy, ...policy };
  const open = nodes.filter(
    ({ name, state, role, memTotal, memFree, freeSlots }) =>
      state === 'up' &&
      role !== 'home' &&
      job.places?.has(name) !== false &&
      memFree - job.rss >= ampleMemory * memTotal &&
      (job.slots === undefined || job.slots <= (freeSlots ?? Infinity)),
  );
  return drawNearBest(open, (node) => pace(node, node.load + job.cpus), nearEqual, random)?.name;
}
