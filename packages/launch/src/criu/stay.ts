import { addUsage, noUsage, type Usage } from '@omx/core';
import { ticksASecond } from '../host/process.ts';
import { numericEntries, readInteger, readText } from '../host/read.ts';
import { machineRoots, type Roots } from '../host/roots.ts';

const tickUs = 1e6 / ticksASecond;

/**
 * What the processes have used since they were started or thawed, those they have waited for included, to be read where they
 * stand still. The kernel cuts the times of each process to ticks of 10 ms, which would lose as much in each move; where it
 * tells the nanoseconds of living threads, these count.
 */
export function readStay(pids: readonly number[], roots: Roots = machineRoots): Usage {
  return pids.map((pid) => readOne(pid, roots)).reduce(addUsage, noUsage);
}

function readOne(pid: number, roots: Roots): Usage {
  const stat = readText(`${roots.proc}/${pid}/stat`) ?? '';
  // After the name, which may hold anything, the first field is the manual's third.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const timeUs = (field: number): number => Number(fields[field - 3] ?? 0) * tickUs;
  const [userUs, sysUs] = [timeUs(14), timeUs(15)];
  const moreUs = Math.max(0, threadsUs(pid, roots) - userUs - sysUs);
  const userShare = userUs + sysUs === 0 ? 1 : userUs / (userUs + sysUs);
  const peak = /^VmHWM:\s+(\d+)/m.exec(readText(`${roots.proc}/${pid}/status`) ?? '');
  return {
    userUs: Math.round(userUs + moreUs * userShare + timeUs(16)),
    sysUs: Math.round(sysUs + moreUs * (1 - userShare) + timeUs(17)),
    maxRssKib: Number(peak?.[1] ?? 0),
  };
}

/** Source: the kernel's `Documentation/scheduler/sched-stats.rst`: the first number is time on a processor, nanoseconds. */
function threadsUs(pid: number, roots: Roots): number {
  const tasks = `${roots.proc}/${pid}/task`;
  return numericEntries(tasks).reduce((sum, task) => sum + (readInteger(`${tasks}/${task}/schedstat`) ?? 0) / 1000, 0);
}

/** Times of `a` without those of `b`, which may be more; the resident set is that of `a`. */
export function withoutTimes(a: Usage, b: Usage): Usage {
  return { userUs: a.userUs - b.userUs, sysUs: a.sysUs - b.sysUs, maxRssKib: a.maxRssKib };
}
