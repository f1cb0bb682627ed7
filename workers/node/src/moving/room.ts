import type { NodeRole } from '@omx/core';
import { readMemoryFacts } from '@omx/launch';
import type { Refusal } from '@omx/queue';

import { type Capacity, fits, type JobDemand } from '../capacity.ts';
import type { Executor } from '../executor.ts';
import type { Membership } from '../membership.ts';

/** What a node's room depends on. */
export interface Room {
  readonly node: string;
  readonly role: NodeRole;
  readonly membership: Pick<Membership, 'state' | 'takesJobs'>;
  readonly executor: Pick<Executor, 'used'>;
  readonly capacity: () => Capacity;
}

/** An image in a tmpfs and the job's memory are there at the same time; some is left to others. */
const memoryFactor = 2.2;

/** Why the node takes no job or child from elsewhere that needs so much now. */
export function roomRefusal(room: Room, demand: JobDemand, rss: number): Refusal | undefined {
  const { node, executor, capacity } = room;
  const reason = closedReason(room);
  if (reason !== undefined) return { refused: reason };
  const { slots } = capacity();
  if (!fits(capacity(), executor.used, demand))
    return {
      refused: `node ${node} is full: ${executor.used.slots} of ${slots} slots are taken`,
      hint: 'choose another node, or wait until one of its jobs has ended',
    };
  const free = readMemoryFacts()?.availableBytes;
  if (free !== undefined && free < rss * memoryFactor)
    return { refused: `node ${node} has too little memory free for it`, hint: 'choose another node' };
  return undefined;
}

function closedReason({ membership, role, node }: Room): string | undefined {
  if (role === 'home') return `node ${node} has the role home and takes no jobs`;
  if (membership.state !== 'up') return `node ${node} is ${membership.state} and takes no jobs`;
  return membership.takesJobs ? undefined : `node ${node} is out of touch with the queue`;
}
