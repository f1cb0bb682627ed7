import { setTimeout as delay } from 'node:timers/promises';
import { readProcessStat } from '../host/process.ts';

/** Waits until there is no such process, or only what its parent has not yet read; false where that takes too long. */
export async function isGone(pid: number, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  const start = readProcessStat(pid)?.startTicks;
  for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 2, 50)) {
    const now = readProcessStat(pid);
    if (now === undefined || now.startTicks !== start || now.state === 'Z' || now.state === 'X') return true;
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
