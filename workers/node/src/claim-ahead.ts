/** At least so much work of short jobs is claimed ahead, so that slots do not wait for the queue. */
export const aheadMs = 500;
const mostAhead = 1000;

export interface AheadSituation {
  /** Slots whose jobs come and go. One that is busy with a long job will not soon need the next. */
  readonly slots: number;
  /** Mean time of the batch's jobs; undefined where it is not known. */
  readonly meanMs: number | undefined;
  /** Jobs of the batch that have not ended. */
  readonly left: number;
  /** How many nodes share them. */
  readonly nodes: number;
}

/**
 * How many jobs beyond its slots a node claims: none while it does not know that they are short.
 *
 * Of what is left each of several nodes takes half of its equal part at most, so that all come to the end together
 * (factoring: Flynn Hummel, Schonberg and Flynn, "Factoring: a method for scheduling parallel loops", CACM 35(8), 1992).
 */
export function claimAhead({ slots, meanMs, left, nodes }: AheadSituation): number {
  if (meanMs === undefined) return 0;
  const wanted = Math.min(mostAhead, Math.floor((Math.max(0, slots) * aheadMs) / Math.max(meanMs, 0.5)));
  return nodes <= 1 ? wanted : Math.min(wanted, Math.ceil(left / (2 * nodes)));
}
