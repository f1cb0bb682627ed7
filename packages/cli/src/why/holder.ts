import { formatDuration, type NodeInfo, type OnLost } from '@omx/core';

import { localTime } from '../render/times.ts';

/** What the state of its node means for a job that it holds; nothing where all is well. */
export function holderReasons(node: NodeInfo | undefined, now: number): string[] {
  if (node === undefined || node.state === 'up') return [];
  const { name, state, reason, lastSeen, leaseMs, onLost } = node;
  if (state !== 'down')
    return [
      `${name} is ${state}${reason === '' ? '' : ` (${reason})`}: it takes no more jobs, and this one goes to another node if it can be moved, or finishes there`,
    ];
  const since = `${localTime(lastSeen, now)}, ${formatDuration(Math.max(0, now - lastSeen))} ago`;
  return [
    `${name} is out of touch since ${since}: whether the job still runs is not known`,
    `${name} may be out of touch for ${formatDuration(leaseMs)} (--lease); ${fates[onLost](name)}`,
    `if a worker of that name starts again there first, it goes on with the job`,
  ];
}

const fates: Readonly<Record<OnLost, (name: string) => string>> = {
  pause: () => 'then it stops the job (--on-lost pause) and another node runs it anew, not charged to --retries',
  stop: () => 'then it ends the job (--on-lost stop) and another node runs it anew, not charged to --retries',
  finish: (name) =>
    `it lets the job finish (--on-lost finish), so no other machine takes it before omx nodes --forget ${name} says that it is gone`,
};
