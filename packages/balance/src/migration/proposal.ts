import type { BalancedJob } from './snapshot.ts';
import type { Standing } from './standing.ts';

/** A move that is worth it. */
export interface Proposal {
  readonly job: BalancedJob;
  readonly from: Standing;
  readonly to: Standing;
  readonly cause: 'memory' | 'crowded' | 'slow' | 'late';
  readonly reason: string;
}

/** Takes a proposal. False: the round has enough of them. */
export type Accept = (proposal: Proposal) => boolean;

/**
 * One of the targets that are nearly as good as the best, drawn at random: as others decide and measure at the same time, all
 * taking the very best would crowd it.
 *
 * @param worth - of a target; 0 or less where it will not do
 */
export function drawNearBest<Target>(
  targets: readonly Target[],
  worth: (target: Target) => number,
  nearEqual: number,
  random: () => number,
): Target | undefined {
  let best = 0;
  const worths = targets.map((target) => {
    const value = worth(target);
    if (value > best) best = value;
    return value;
  });
  if (best <= 0) return undefined;
  const near = targets.filter((_target, at) => (worths[at] as number) >= best * (1 - nearEqual));
  return near[Math.floor(random() * near.length)];
}
