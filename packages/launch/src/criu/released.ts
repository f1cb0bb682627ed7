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

/** What holds an original lets go of it by itself after at most that long, or it was large. */
const heldMs = 180_000;
/** Source: the kernel's `include/linux/sched.h`. */
const exiting = 4;
const killBit = 1n << 8n;

/**
 * Whether the original of an image goes on, as the worker died that held it: it had not told criu to end it. Waits until criu
 * has let go of it, or it is dying.
 * @param pid of `omx-capsule run` or `thaw`
 */
export async function outlives(pid: number): Promise<boolean> {
  for (const deadline = performance.now() + heldMs; performance.now() < deadline; await delay(20)) {
    let root: number;
    try {
      ({ root } = readMembers(pid));
    } catch {
      return false;
    }
    const status = readText(`/proc/${root}/status`) ?? '';
    if (isDying(root, status)) return false;
    // criu traces what it holds.
    if (/^TracerPid:\s+0$/m.test(status)) return true;
  }
  return true;
}

/** Waits until a job is not stopped (SIGSTOP); false where that takes too long. @param pid of `omx-capsule run` or `thaw` */
export async function goesOn(pid: number, withinMs: number): Promise<boolean> {
  for (const deadline = performance.now() + withinMs; ; await delay(5)) {
    if (readProcessStat(readMembers(pid).root)?.state !== 'T') return true;
    if (performance.now() > deadline) return false;
  }
}

/** It never runs again, whatever it waits for in the kernel. Source: proc(5), `SigPnd`, `ShdPnd`, and the flags in `stat`. */
function isDying(pid: number, status: string): boolean {
  const stat = readText(`/proc/${pid}/stat`) ?? '';
  const [state = 'X', , , , , , flags = '0'] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const pending = [...status.matchAll(/^(?:SigPnd|ShdPnd):\s+([0-9a-f]+)$/gm)].map(([, mask]) => BigInt(`0x${mask}`));
  return /[ZX]/.test(state) || (Number(flags) & exiting) !== 0 || pending.some((mask) => (mask & killBit) !== 0n);
}
