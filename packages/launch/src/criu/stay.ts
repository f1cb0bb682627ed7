import { addUsage, noUsage, type Usage } from '@omx/core';
import { ticksASecond } from '../host/process.ts';
import { readText } from '../host/read.ts';
import { machineRoots, type Roots } from '../host/roots.ts';

const tickUs = 1e6 / ticksASecond;

/**
 * What the processes have used since they were started or thawed, those they have waited for included. Exact to a tick (10
 * ms) for each process, and only where they stand still.
 */
export function readStay(pids: readonly number[], roots: Roots = machineRoots): Usage {
  return pids.map((pid) => readOne(pid, roots)).reduce(addUsage, noUsage);
}

function readOne(pid: number, roots: Roots): Usage {
  const stat = readText(`${roots.proc}/${pid}/stat`) ?? '';
  // After the name, which may hold anything, the first field is the manual's third.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = (field: number): number => Number(fields[field - 3] ?? 0);
  const peak = /^VmHWM:\s+(\d+)/m.exec(readText(`${roots.proc}/${pid}/status`) ?? '');
  return {
    userUs: (ticks(14) + ticks(16)) * tickUs,
    sysUs: (ticks(15) + ticks(17)) * tickUs,
    maxRssKib: Number(peak?.[1] ?? 0),
  };
}

/** Times of `a` without those of `b`, which may be more; the resident set is that of `a`. */
export function withoutTimes(a: Usage, b: Usage): Usage {
  return { userUs: a.userUs - b.userUs, sysUs: a.sysUs - b.sysUs, maxRssKib: a.maxRssKib };
}
