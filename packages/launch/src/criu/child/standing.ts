import { setTimeout as delay } from 'node:timers/promises';
import { readProcessStat } from '../../host/process.ts';

/**
 * How an original stands whose worker has died, once whoever held it (criu, or its holder) has let go of it. What is about to
 * stop runs for a moment, in the kernel only: so it is `running` where it has not stopped within `withinMs`.
 */
export async function processStanding(
  { pid, startTicks }: { readonly pid: number; readonly startTicks: number },
  withinMs: number,
): Promise<'stopped' | 'running' | 'gone'> {
  for (const deadline = performance.now() + withinMs; ; await delay(10)) {
    const stat = readProcessStat(pid);
    if (stat === undefined || stat.startTicks !== startTicks || stat.state === 'Z') return 'gone';
    if (stat.state === 'T') return 'stopped';
    if (performance.now() > deadline) return 'running';
  }
}
