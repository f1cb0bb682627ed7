import { Buffer } from 'node:buffer';
import { openSync, readSync } from 'node:fs';
import { uptime } from 'node:os';

import { readLines, readLinkText, readText } from './read.ts';
import { machineRoots, type Roots } from './roots.ts';

export interface LoadAverage {
  readonly one: number;
  readonly five: number;
  readonly fifteen: number;
  /** Scheduling entities that can run at this moment, and all there are. */
  readonly runnable: number;
  readonly total: number;
}

/** Source: proc(5) `/proc/loadavg`. */
export function readLoadAverage(roots: Roots = machineRoots): LoadAverage | undefined {
  const match = /^([\d.]+) ([\d.]+) ([\d.]+) (\d+)\/(\d+)/.exec(readText(`${roots.proc}/loadavg`) ?? '');
  if (match === null) return undefined;
  const [one = 0, five = 0, fifteen = 0, runnable = 0, total = 0] = match.slice(1).map(Number);
  return { one, five, fifteen, runnable, total };
}

/** New at every boot: a pid written down under another boot id is not the process it was. Source: random(4). */
export function readBootId(roots: Roots = machineRoots): string | undefined {
  return readLines(`${roots.proc}/sys/kernel/random/boot_id`)[0];
}

export function readHostname(roots: Roots = machineRoots): string | undefined {
  return readLines(`${roots.proc}/sys/kernel/hostname`)[0];
}

/** How many files this process may hold open, and how far it may raise that. Infinity: unlimited. */
export function readOpenFileLimit(roots: Roots = machineRoots): { soft: number; hard: number } | undefined {
  const match = /^Max open files\s+(\S+)\s+(\S+)/m.exec(readText(`${roots.proc}/self/limits`) ?? '');
  if (match === null) return undefined;
  const [soft, hard] = match.slice(1).map((word) => (word === 'unlimited' ? Infinity : Number(word)));
  return soft === undefined || hard === undefined ? undefined : { soft, hard };
}

/**
 * Milliseconds since the boot, suspended time included, in steps of 10: CLOCK_BOOTTIME. Source: proc(5) `/proc/uptime`.
 * With no file to spare Node asks the clock itself, in whole seconds.
 */
export function readBootTimeMs(roots: Roots = machineRoots): number {
  const text = roots === machineRoots ? readUptime() : readText(`${roots.proc}/uptime`);
  return Math.round((text === undefined ? uptime() : Number(text.split(' ')[0])) * 1000);
}

let uptimeFile: number | undefined;
const uptimeText = Buffer.allocUnsafe(64);

/** This machine's, which a worker asks for with most jobs: through a file that stays open. */
function readUptime(): string | undefined {
  try {
    uptimeFile ??= openSync(`${machineRoots.proc}/uptime`, 'r');
    return uptimeText.toString('latin1', 0, readSync(uptimeFile, uptimeText, 0, uptimeText.length, 0));
  } catch {
    return undefined;
  }
}

/** One boot of one kernel as seen from one pid and network namespace: who shares it can see and end each other's processes. */
export function readPlace(roots: Roots = machineRoots): string {
  const namespaces = ['pid', 'net'].map((kind) => readLinkText(`${roots.proc}/self/ns/${kind}`) ?? kind);
  return [readBootId(roots) ?? 'unknown', ...namespaces].join('/');
}
