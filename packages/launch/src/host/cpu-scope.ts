import { readdirSync } from 'node:fs';
import { join, posix } from 'node:path';
import { controlGroup } from './cgroup.ts';
import { type CpuLimit, readCpuLimit } from './cpu.ts';
import { ticksASecond } from './process.ts';
import { integerOf, readInteger, readLines, readText } from './read.ts';
import type { Roots } from './roots.ts';

/**
 * Whose CPU time a worker shares: that of the control group whose quota holds it, else of the processors it may use.
 * What happens outside takes nothing from its jobs, as long as the machine has processors idle.
 */
export interface CpuScope {
  /** The control group's folder; undefined: the machine. */
  readonly folder?: string;
  readonly cpus: number;
  /** CPU time used there so far, seconds. Undefined: the group's is not counted and must be added up. */
  readonly usedSeconds?: number;
  /** CPU time the machine's processors had nothing to do so far, seconds. */
  readonly idleSeconds: number;
  /** The group's processes; undefined: every process there is. */
  readonly pids?: ReadonlySet<number>;
}

export function readCpuScope(roots: Roots): CpuScope {
  const machine = readMachine(roots);
  const limit = readCpuLimit(roots);
  if (limit === undefined) return machine;
  const usedSeconds = readGroupUse(roots, limit);
  return {
    folder: limit.folder,
    cpus: Math.min(limit.cpus, machine.cpus),
    idleSeconds: machine.idleSeconds,
    pids: new Set(groupPids(limit.folder)),
    ...(usedSeconds === undefined ? {} : { usedSeconds }),
  };
}

/** Source: proc(5) `/proc/stat`. Interrupts are left out: they are nobody's work. `guest` is part of `user`. */
function readMachine(roots: Roots): Required<Pick<CpuScope, 'cpus' | 'usedSeconds' | 'idleSeconds'>> {
  const mayUse = allowedCpus(roots);
  const sum = { cpus: 0, usedSeconds: 0, idleSeconds: 0 };
  for (const line of readLines(`${roots.proc}/stat`)) {
    const match = /^cpu(\d+) (.*)$/.exec(line);
    if (match === null || mayUse?.has(Number(match[1])) === false) continue;
    const [user = 0, nice = 0, system = 0, idle = 0, ioWait = 0] = (match[2] ?? '').split(' ').map(Number);
    sum.cpus += 1;
    sum.usedSeconds += (user + nice + system) / ticksASecond;
    sum.idleSeconds += (idle + ioWait) / ticksASecond;
  }
  return sum;
}

/** The numbers of the processors that this process may use: `0-3,8` of proc(5) `/proc/pid/status`, `Cpus_allowed_list`. */
export function allowedCpus(roots: Roots): ReadonlySet<number> | undefined {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readText(`${roots.proc}/self/status`) ?? '')?.[1];
  if (list === undefined) return undefined;
  const cpus = new Set<number>();
  for (const range of list.split(',')) {
    const [from = 0, to = from] = range.split('-').map(Number);
    for (let cpu = from; cpu <= to; cpu += 1) cpus.add(cpu);
  }
  return cpus;
}

/**
 * Source: kernel `Documentation/admin-guide/cgroup-v2.rst` (`cpu.stat`, microseconds) and `cgroup-v1/cpuacct.rst`
 * (`cpuacct.usage`, nanoseconds). v1 may mount cpu and cpuacct apart; only where both name this process's group alike
 * is the group of the quota also one that is counted.
 */
function readGroupUse(roots: Roots, limit: CpuLimit): number | undefined {
  if (limit.version === 2) {
    const micros = integerOf(/^usage_usec (\d+)$/m.exec(readText(`${limit.folder}/cpu.stat`) ?? '')?.[1]);
    return micros === undefined ? undefined : micros / 1e6;
  }
  const cpu = controlGroup(roots, 'cpu');
  const counted = controlGroup(roots, 'cpuacct');
  if (cpu === undefined || counted?.version !== 1 || counted.path !== cpu.path) return undefined;
  const folder = posix.join(counted.folders.at(-1) ?? '', posix.relative(cpu.folders.at(-1) ?? '', limit.folder));
  const nanos = readInteger(`${folder}/cpuacct.usage`);
  return nanos === undefined ? undefined : nanos / 1e9;
}

/** cgroups(7): a group's `cgroup.procs` lists its own processes, not those of the groups in it. */
function groupPids(folder: string): number[] {
  const pids = readLines(`${folder}/cgroup.procs`).map(Number);
  for (const child of subfolders(folder)) pids.push(...groupPids(child));
  return pids;
}

function subfolders(folder: string): readonly string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map((entry) => join(folder, entry.name));
  } catch {
    return [];
  }
}
