import type { Attempt } from '../../attempt.ts';

/** Why a job cannot be moved, frozen or copied as a whole while children of it are on other nodes; undefined: none is. */
export function childrenAwayReason({ childrenAway = 0 }: Pick<Attempt, 'childrenAway'>): string | undefined {
  if (childrenAway === 0) return undefined;
  return `${childrenAway === 1 ? 'a child of it runs' : `${childrenAway} children of it run`} on other nodes (--fork-migrate)`;
}
