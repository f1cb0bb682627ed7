import type { CpuUse } from './cpu-tally.ts';
import { parseProcessStat, type ProcessStat, ticksASecond } from './process.ts';
import { numericEntries, readText } from './read.ts';
import type { Roots } from './roots.ts';

/** Some processes, what they used since the last look, and how long ago that was. */
export interface Party {
  readonly stats: readonly ProcessStat[];
  readonly use: CpuUse;
  readonly seconds: number;
}

export interface Demand {
  /** CPUs' worth of time the party would use if nobody else were there. */
  readonly cpus: number;
  /** Its threads that run or wait to run at this moment. */
  readonly runnable: number;
}

/** A thread that got less than this part of what the others got was not waiting all the time. */
const steadyShare = 0.25;
/** A process younger than this is judged as if it were this old, seconds. */
const youngSeconds = 0.1;

/**
 * What each party wants where processors are short. A waiting thread wants a whole one, whatever it gets; but one look
 * also catches daemons that are awake for an instant. The scheduler gives waiting threads equal shares, so a process
 * counts its threads in full only if it used time like the rest, and less in proportion if it used much less.
 *
 * @param bootSeconds - now, since boot
 */
export function demandOf(parties: readonly Party[], bootSeconds: number, roots: Roots): readonly Demand[] {
  const looks = parties.map(({ stats, use, seconds }) =>
    stats.map((stat) => {
      const used = use.byPid.get(stat.pid) ?? 0;
      const age = Math.max(youngSeconds, bootSeconds - stat.startTicks / ticksASecond);
      return { rate: used / Math.min(seconds, age), runnable: runnableThreads(stat, used, roots) };
    }),
  );
  const all = looks.flat();
  const runnable = all.reduce((sum, each) => sum + each.runnable, 0);
  const used = all.reduce((sum, each) => sum + each.rate, 0);
  const share = Math.min(1, used / Math.max(1, runnable)) * steadyShare;
  return looks.map((party) => ({
    cpus: party.reduce(
      (sum, each) => sum + Math.max(each.rate, share === 0 ? 0 : Math.min(each.runnable, each.rate / share)),
      0,
    ),
    runnable: party.reduce((sum, each) => sum + each.runnable, 0),
  }));
}

/** A process's own state is that of its first thread, which in a JVM only waits: the others are looked at if it does anything. */
function runnableThreads(stat: ProcessStat, used: number, roots: Roots): number {
  if (stat.threads <= 1 || (used === 0 && stat.state !== 'R')) return stat.state === 'R' ? 1 : 0;
  const tasks = `${roots.proc}/${stat.pid}/task`;
  return numericEntries(tasks).filter((tid) => {
    return parseProcessStat(readText(`${tasks}/${tid}/stat`) ?? '')?.state === 'R';
  }).length;
}
