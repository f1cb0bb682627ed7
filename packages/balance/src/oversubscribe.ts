/**
 * At most so many jobs share a slot. Beyond that each gets so little of its processor that it had better wait, and the
 * memory of all of them is more than a machine has that was bought for one a processor.
 */
export const mostShared = 4;

/** A node with a free slot that takes nothing for so long is dead or cannot take it; longer than a lost node's lease. */
export const sharedPatienceMs = 15_000;

export interface SharingNode {
  /** Offered now. */
  readonly slots: number;
  /** Jobs that run or are about to. */
  readonly running: number;
}

/**
 * So many slots a node may act as if it had, for jobs that share them (`--oversubscribe`). As many as it has while another
 * node has one free; then one job more than the least crowded of the others, so that all fill alike though they know
 * of each other only from beat to beat.
 *
 * @param slots - of this node, as offered now
 * @param waitedMs - for how long somebody else had a slot free and work was there
 */
export function sharedSlots(slots: number, others: readonly SharingNode[], waitedMs: number): number {
  const taking = others.filter((other) => other.slots > 0);
  const most = mostShared * slots;
  if (taking.some((other) => other.running < other.slots)) return waitedMs >= sharedPatienceMs ? most : slots;
  const least = Math.min(...taking.map((other) => other.running / other.slots));
  return Math.min(most, Math.max(slots, Math.floor(least * slots) + 1));
}
