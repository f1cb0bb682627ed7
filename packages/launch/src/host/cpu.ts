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
  const quota = readCpuLimit(roots)?.cpus;
  const usable = Math.max(1, Math.floor(Math.min(affinity, quota ?? affinity)));
  return { online: online === 0 ? affinity : online, affinity, usable, ...(quota === undefined ? {} : { quota }) };
}

export interface CpuLimit {
  readonly version: 1 | 2;
  /** Processors' worth of time; may be a fraction. */
  readonly cpus: number;
  /** The control group that sets it, of those around this process that set one: the one that grants least. */
  readonly folder: string;
}

/** `cpu.max` of v2 is `$MAX $PERIOD` with `max` for none; v1 has two files and -1 for none. */
export function readCpuLimit(roots: Roots): CpuLimit | undefined {
  const group = controlGroup(roots, 'cpu');
  let least: CpuLimit | undefined;
  for (const folder of group?.folders ?? []) {
    const version = group?.version ?? 2;
    const [max, period] =
      version === 2
        ? (readText(`${folder}/cpu.max`) ?? '').trim().split(' ')
        : [readText(`${folder}/cpu.cfs_quota_us`), readText(`${folder}/cpu.cfs_period_us`)];
    const micros = integerOf(max);
    const per = integerOf(period);
    if (micros === undefined || per === undefined || micros <= 0 || per <= 0) continue;
    if (micros / per < (least?.cpus ?? Infinity)) least = { version, cpus: micros / per, folder };
  }
  return least;
}
