export interface SlotsSituation {
  /** CPUs' worth of time the node has; may be a fraction. */
  readonly cpus: number;
  /** Slots it offers when nobody else uses it; 0 or more. */
  readonly maxSlots: number;
  /** What others want of the CPUs, in CPUs: more than `cpus` where they wait for each other. */
  readonly externalLoad: number;
  /** What this function said last; `maxSlots` at first. */
  readonly previous: number;
}

/**
 * MOSIX moves a process only if the other node is better by 130 % of the process's own load, so that none wanders to
 * and fro. The point where the nearest whole number of slots changes is half a slot away; the change must be that clear.
 */
const stability = 1.3;

/**
 * The slots a node offers now: `maxSlots * (1 - externalLoad / cpus)`, to whole ones. Every slot stands for an equal
 * part of the node, outsiders keep what they want, and jobs get what is left: as many threads as processors, so nobody
 * waits. Slots change only when that is more than 1.3 × ½ away from what they are, so that an outsider who wants
 * just between does not make them flap. 0 where outsiders want it all: see {@link mayTakeCrowded}.
 */
export function slotsNow({ cpus, maxSlots, externalLoad, previous }: SlotsSituation): number {
  const left = cpus > 0 ? maxSlots * (1 - Math.min(1, Math.max(0, externalLoad) / cpus)) : 0;
  const before = Math.min(maxSlots, Math.max(0, Math.round(previous)));
  return Math.abs(left - before) > stability / 2 ? Math.round(left) : before;
}

/**
 * What the other nodes could do with the work that waits: one of them has a slot free; all their slots are taken;
 * or there is none that offers any, as each is crowded, drained, down or takes no work.
 */
export type OtherNodes = 'free' | 'full' | 'none';

/**
 * How long a crowded node leaves work to the others, milliseconds. `full`: two heartbeats, in which a job that ends
 * elsewhere makes room for the next. `free`: longer than a lost node's lease, as a free node that takes nothing for so
 * long is dead, or cannot take it (labels, memory).
 */
export const crowdedPatienceMs: Readonly<Record<OtherNodes, number>> = { none: 0, full: 4000, free: 15_000 };

export interface CrowdedSituation {
  /** Jobs of ours that run or are about to on this node. */
  readonly running: number;
  /** Since the node offers no slots, or since it took its last job, or since that ended, whichever was last. */
  readonly waitedMs: number;
  readonly others: OtherNodes;
}

/**
 * Whether a node that offers no slots, because outsiders want all its processors, may take a job all the same. The
 * scheduler would give that job its fair part, so it gets on, if slowly; but it ends sooner almost anywhere else. So
 * one at a time, and only after the others had their chance.
 */
export function mayTakeCrowded({ running, waitedMs, others }: CrowdedSituation): boolean {
  return running === 0 && waitedMs >= crowdedPatienceMs[others];
}
