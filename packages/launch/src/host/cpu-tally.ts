import { type ProcessStat, ticksASecond } from './process.ts';

export interface CpuUse {
  /** CPU seconds used by the processes and by the children they waited for. */
  readonly total: number;
  /** CPU seconds used by each process that is there, without its children. */
  readonly byPid: ReadonlyMap<number, number>;
}

/**
 * How much CPU time a changing set of processes used from one look to the next, nothing counted twice: a process that
 * ended since has moved its whole time, of which a part was counted before, into its parent's account of children.
 */
export class CpuTally {
  #last: ReadonlyMap<number, ProcessStat> = new Map();

  /**
   * @param bornAfter - ticks from boot. A process seen for the first time is new if it started since then, and then
   * all its time counts; an older one came in from elsewhere, or was missed, and what it used before is not known.
   */
  advance(stats: readonly ProcessStat[], bornAfter: number): CpuUse {
    const now = new Map(stats.map((stat) => [stat.pid, stat]));
    const byPid = new Map<number, number>();
    let live = 0;
    let reaped = 0;
    for (const stat of now.values()) {
      const before = sameProcess(stat, this.#last.get(stat.pid));
      const isUnknown = before === undefined && stat.startTicks < bornAfter;
      const ticks = isUnknown ? 0 : Math.max(0, ownTicks(stat) - (before === undefined ? 0 : ownTicks(before)));
      byPid.set(stat.pid, ticks / ticksASecond);
      live += ticks;
      if (!isUnknown) reaped += Math.max(0, stat.childTicks - (before?.childTicks ?? 0));
    }
    for (const before of this.#last.values()) {
      const isGone = sameProcess(before, now.get(before.pid)) === undefined;
      if (isGone && this.#last.has(before.parent)) reaped -= ownTicks(before) + before.childTicks;
    }
    this.#last = now;
    // Less than nothing, where a parent ignores its children's ends: their time is in no account then.
    return { total: (live + Math.max(0, reaped)) / ticksASecond, byPid };
  }
}

function ownTicks(stat: ProcessStat): number {
  return stat.userTicks + stat.sysTicks;
}

function sameProcess(one: ProcessStat, other: ProcessStat | undefined): ProcessStat | undefined {
  return other?.startTicks === one.startTicks ? other : undefined;
}
