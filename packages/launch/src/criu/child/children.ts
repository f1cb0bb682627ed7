import { readProcessStat, ticksASecond } from '../../host/process.ts';
import { numericEntries } from '../../host/read.ts';
import { machineRoots, type Roots } from '../../host/roots.ts';
import { innerPid, readMembers } from '../members.ts';

/** A process that a job's command has forked, and that has forked none itself. */
export interface Child {
  readonly pid: number;
  /** With the pid it names the process for good. */
  readonly startTicks: number;
  readonly cpuMs: number;
  /** It runs, or would if there was a processor for it. */
  readonly isBusy: boolean;
}

/** The pid of a job's command in its capsule; `native/capsule/capsule.h` says the same. */
const commandPid = 3;

/**
 * The children of a job without children of their own, at any depth.
 * @param pid of its capsule
 * @throws NOT_RUNNING where the job has ended
 */
export function readChildren(pid: number, roots: Roots = machineRoots): readonly Child[] {
  const { root, pids } = readMembers(pid, roots);
  const stats = pids.flatMap((each) => readProcessStat(each, roots) ?? []);
  const parents = new Set(stats.map(({ parent }) => parent));
  return stats
    .filter((stat) => stat.pid !== root && !parents.has(stat.pid) && innerPid(stat.pid, roots) !== commandPid)
    .map((stat) => ({
      pid: stat.pid,
      startTicks: stat.startTicks,
      cpuMs: ((stat.userTicks + stat.sysTicks) * 1000) / ticksASecond,
      isBusy: stat.state === 'R' || (stat.threads > 1 && hasBusyThread(stat.pid, roots)),
    }));
}

/** A process's own state is that of its first thread. */
function hasBusyThread(pid: number, roots: Roots): boolean {
  const tasks = `${roots.proc}/${pid}`;
  return numericEntries(`${tasks}/task`).some(
    (task) => readProcessStat(task, { ...roots, proc: `${tasks}/task` })?.state === 'R',
  );
}
