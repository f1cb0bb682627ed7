import { type NodeStore, requirementOf, offers, suits } from '@omx/queue';

import type { Attempt } from './attempt.ts';
import type { BatchCache } from './batch-cache.ts';
import { type Capacity, type Demand, startable } from './capacity.ts';

/** A claimed job that has waited for so long may go to a node that has nothing to do. */
const patienceMs = 300;

/** A node that has room, and how much. */
export interface IdleNode {
  readonly name: string;
  readonly free: Required<Demand>;
}

/** A message of the wake channel: `idle n2 3 1073741824`. */
export function formatIdle({ name, free }: IdleNode): string {
  return `idle ${name} ${free.slots} ${free.memBytes}`;
}

export function parseIdle(message: string): IdleNode {
  const [, name = '', slots, memBytes] = message.split(' ');
  return { name, free: { slots: Number(slots), memBytes: Number(memBytes) } };
}

/** What a node could start at once. */
export function freeOf(capacity: Capacity, used: Required<Demand>): Required<Demand> {
  return {
    slots: used.slots === 0 ? capacity.maxSlots : capacity.slots - used.slots,
    memBytes: capacity.memBytes - used.memBytes,
  };
}

/** Claimed jobs that have waited for long and do not start now, the next first. */
export function overdue(
  capacity: Capacity,
  running: Required<Demand>,
  ready: readonly Attempt[],
  now: number,
): Attempt[] {
  const starting = new Set(startable(capacity, running, ready));
  return ready.filter((attempt) => !starting.has(attempt) && now - (attempt.claimedAt ?? now) > patienceMs);
}

/** Those of the jobs that an idle node could start, and may. */
export async function jobsFor(
  idle: IdleNode,
  late: readonly Attempt[],
  { nodes, cache }: { readonly nodes: Pick<NodeStore, 'list'>; readonly cache: BatchCache },
): Promise<Attempt[]> {
  const { slots, memBytes } = idle.free;
  // A large one would only wait there instead.
  const small = late.filter((attempt) => attempt.slots <= slots && (attempt.memBytes ?? 0) <= memBytes);
  const node = small.length === 0 ? undefined : (await nodes.list()).find(({ name }) => name === idle.name);
  if (node === undefined) return [];
  const runtimes = await Promise.all(small.map(async (attempt) => cache.get(attempt.batch)));
  return small.filter((attempt, at) => {
    const spec = runtimes[at]?.specOf(attempt.ordinal);
    const requirement = spec === undefined ? undefined : requirementOf(spec);
    return requirement !== undefined && suits(requirement, node) && offers(requirement, node);
  });
}
