import { availableParallelism } from 'node:os';
import { controlGroup } from './cgroup.ts';
import { integerOf, readLines, readText } from './read.ts';
import { machineRoots, type Roots } from './roots.ts';

export interface CpuFacts {
  /** Processors of the machine. */
  readonly online: number;
  /** Processors this process may be scheduled on. */
  readonly affinity: number;
  /** Processors' worth of time the control group grants; undefined: no limit. May be a fraction. */
  readonly quota?: number;
  /** What a worker should count on: whole processors, at least one. */
  readonly usable: number;
}

/**
 * @param affinity - for tests. `os.availableParallelism` is sched_getaffinity(2); whether it also knows about
 * cgroup quotas depends on the libuv inside Node, hence our own reading.
 */
export function readCpuFacts(roots: Roots = machineRoots, affinity: number = availableParallelism()): CpuFacts {
  const online = readLines(`${roots.proc}/cpuinfo`).filter((line) => /^processor\s*:/.test(line)).length;
  const quota = readQuota(roots);
  const usable = Math.max(1, Math.floor(Math.min(affinity, quota ?? affinity)));
  return { online: online === 0 ? affinity : online, affinity, usable, ...(quota === undefined ? {} : { quota }) };
}

/** `cpu.max` of v2 is `$MAX $PERIOD` with `max` for none; v1 has two files and -1 for none. */
function readQuota(roots: Roots): number | undefined {
  const group = controlGroup(roots, 'cpu');
  let least: number | undefined;
  for (const folder of group?.folders ?? []) {
    const [max, period] =
      group?.version === 2
        ? (readText(`${folder}/cpu.max`) ?? '').trim().split(' ')
        : [readText(`${folder}/cpu.cfs_quota_us`), readText(`${folder}/cpu.cfs_period_us`)];
    const micros = integerOf(max);
    const per = integerOf(period);
    if (micros === undefined || per === undefined || micros <= 0 || per <= 0) continue;
    least = Math.min(least ?? Infinity, micros / per);
  }
  return least;
}
