import { setTimeout as delay } from 'node:timers/promises';
import { readProcessStat } from '../host/process.ts';
import { readText } from '../host/read.ts';

/** Waits until there is no such process, or only what its parent has not yet read; false where that takes too long. */
export function isGone(pid: number, withinMs: number): Promise<boolean> {
  const start = readProcessStat(pid)?.startTicks;
  return holds(() => hasEnded(pid, start), withinMs);
}

/** Waits until the process runs this command line; false where it ends before, or that takes too long. */
export async function becomes(pid: number, argv: readonly string[], withinMs: number): Promise<boolean> {
  const wanted = `${argv.join('\0')}\0`;
  // An empty one says nothing: so it is also for a moment while the process becomes another program (execve(2)).
  const is = (): boolean => readText(`/proc/${pid}/cmdline`) === wanted;
  const start = readProcessStat(pid)?.startTicks;
  return (await holds(() => is() || hasEnded(pid, start), withinMs)) && is();
}

function hasEnded(pid: number, startTicks: number | undefined): boolean {
  const now = readProcessStat(pid);
  return now === undefined || now.startTicks !== startTicks || now.state === 'Z' || now.state === 'X';
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
