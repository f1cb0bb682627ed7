import { readFileSync } from 'node:fs';
import { readText } from './read.ts';
import { machineRoots, type Roots } from './roots.ts';

export interface ProcessStat {
  readonly pid: number;
  readonly comm: string;
  /** One letter: R, S, D, Z, T, … */
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** CPU time in clock ticks (1/100 s on every Linux architecture in use). */
  readonly userTicks: number;
  readonly sysTicks: number;
  /** Ticks from boot to start: together with the pid it names the process for good, as pids come round again. */
  readonly startTicks: number;
  readonly rssPages: number;
}

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
