import { setTimeout as delay } from 'node:timers/promises';
import { readProcessStat } from '../host/process.ts';
import { readText } from '../host/read.ts';

/** Waits until there is no such process, or only what its parent has not yet read; false where that takes too long. */
export function isGone(pid: number, withinMs: number): Promise<boolean> {
  const start = readProcessStat(pid)?.startTicks;
  return holds(() => {
    const now = readProcessStat(pid);
    return now === undefined || now.startTicks !== start || now.state === 'Z' || now.state === 'X';
  }, withinMs);
}

/** Waits until the process runs this command line, or has ended; false where that takes too long. */
export function hasBecome(pid: number, argv: readonly string[], withinMs: number): Promise<boolean> {
  const wanted = `${argv.join('\0')}\0`;
  return holds(() => {
    const now = readText(`/proc/${pid}/cmdline`);
    return now === undefined || now === '' || now === wanted;
  }, withinMs);
}

/** The same; false also where it has ended. */
export async function becomes(pid: number, argv: readonly string[], withinMs: number): Promise<boolean> {
  return (await hasBecome(pid, argv, withinMs)) && (readText(`/proc/${pid}/cmdline`) ?? '') !== '';
}

async function holds(condition: () => boolean, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 2, 50)) {
    if (condition()) return true;
    if (performance.now() > deadline) return false;
    await delay(pauseMs);
  }
}

/** Kills a process that may have ended already. */
export function killProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has.
  }
}
