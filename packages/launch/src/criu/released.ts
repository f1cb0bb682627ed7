import { setTimeout as delay } from 'node:timers/promises';

import { readProcessStat } from '../host/process.ts';
import { readText } from '../host/read.ts';
import { readMembers } from './members.ts';

const decidedMs = 10_000;

/**
 * Whether a copy whose worker has died had been let go before: it runs then. Else criu kills it, now that nobody is at its
 * gate; that is waited for.
 * @param pid of `omx-capsule thaw`
 */
export async function isReleased(pid: number): Promise<boolean> {
  for (const deadline = performance.now() + decidedMs; performance.now() < deadline; await delay(20)) {
    let root: number;
    try {
      ({ root } = readMembers(pid));
    } catch {
      // Not made yet, or gone; only a living capsule may still make it.
      if (readProcessStat(pid) === undefined) return false;
      continue;
    }
    const maker = readProcessStat(root)?.parent ?? 0;
    // criu becomes this when it lets go.
    if (readText(`/proc/${maker}/cmdline`)?.split('\0')[1] === 'wait') return true;
  }
  return false;
}
