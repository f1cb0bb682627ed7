import { readFileSync } from 'node:fs';
import { readText } from './read.ts';
import { machineRoots, type Roots } from './roots.ts';

/** The clock ticks of /proc on every Linux architecture in use: sysconf(3), `_SC_CLK_TCK`. */
export const ticksASecond = 100;

export interface ProcessStat {
  readonly pid: number;
  readonly comm: string;
  /** One letter: R, S, D, Z, T, … */
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** CPU time, ticks. */
  readonly userTicks: number;
  readonly sysTicks: number;
  /** CPU time of children that have ended and were waited for, ticks. */
  readonly childTicks: number;
  readonly threads: number;
  /** A thread of the kernel itself, such as `kworker`. */
  readonly isKernel: boolean;
  /** Ticks from boot to start: together with the pid it names the process for good, as pids come round again. */
  readonly startTicks: number;
  readonly rssPages: number;
}

/** PF_KTHREAD of the kernel's `include/linux/sched.h`. */
const kernelFlag = 0x00200000;

export function readProcessStat(pid: number | 'self', roots: Roots = machineRoots): ProcessStat | undefined {
  return parseProcessStat(readText(`${roots.proc}/${pid}/stat`) ?? '');
}

/**
 * Source: proc(5) `/proc/pid/stat`. A program chooses its own name and may put blanks and parentheses into it, so the
 * name ends at the *last* closing parenthesis: no later field can hold one.
 */
export function parseProcessStat(text: string): ProcessStat | undefined {
  const open = text.indexOf(' (');
  const close = text.lastIndexOf(')');
  if (open < 1 || close < open) return undefined;
  const fields = text
    .slice(close + 1)
    .trim()
    .split(' ');
  // Numbered as in the manual, where the state is field 3.
  const field = (number: number): number => Number(fields[number - 3]);
  const stat = {
    pid: Number(text.slice(0, open)),
    comm: text.slice(open + 2, close),
    state: fields[0] ?? '',
    parent: field(4),
    group: field(5),
    session: field(6),
    userTicks: field(14),
    sysTicks: field(15),
    childTicks: field(16) + field(17),
    threads: field(20),
    isKernel: (field(9) & kernelFlag) !== 0,
    startTicks: field(22),
    rssPages: field(24),
  };
  return Number.isNaN(stat.rssPages) || Number.isNaN(stat.pid) ? undefined : stat;
}

/** The auxiliary vector's page size (getauxval(3), AT_PAGESZ = 6); 4096 where it cannot be read. */
export function readPageSize(roots: Roots = machineRoots): number {
  try {
    const vector = readFileSync(`${roots.proc}/self/auxv`);
    for (let at = 0; at + 16 <= vector.length; at += 16) {
      if (vector.readBigUInt64LE(at) === 6n) return Number(vector.readBigUInt64LE(at + 8));
    }
  } catch {
    // Fixture trees have no such file, and a hardened /proc may refuse it.
  }
  return 4096;
}
