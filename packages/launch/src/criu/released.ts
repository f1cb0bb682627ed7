import { setTimeout as delay } from 'node:timers/promises';

import { readProcessStat } from '../host/process.ts';
import { readText } from '../host/read.ts';
import { readMembers, rootOf } from './members.ts';

const decidedMs = 10_000;

/**
 * Whether a copy whose worker has died had been let go before: it runs then. Else criu kills it, now that nobody is at its
 * gate; that is waited for.
 * @param pid of `omx-capsule thaw`
 */
export function isReleased(pid: number): Promise<boolean> {
  return answer({ withinMs: decidedMs, everyMs: 20, otherwise: false }, () => {
    const root = rootOf(pid);
    // Not made yet, or gone; only a living capsule may still make it.
    if (root === undefined) return readProcessStat(pid) === undefined ? false : undefined;
    const maker = readProcessStat(root)?.parent ?? 0;
    // criu becomes this when it lets go.
    return readText(`/proc/${maker}/cmdline`)?.split('\0')[1] === 'wait' || undefined;
  });
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
export function outlives(pid: number): Promise<boolean> {
  return answer({ withinMs: heldMs, everyMs: 20, otherwise: true }, () => {
    const root = rootOf(pid);
    if (root === undefined) return false;
    const status = readText(`/proc/${root}/status`) ?? '';
    if (isDying(root, status)) return false;
    // criu traces what it holds.
    return /^TracerPid:\s+0$/m.test(status) || undefined;
  });
}

/** Waits until a job is not stopped (SIGSTOP); false where that takes too long. @param pid of `omx-capsule run` or `thaw` */
export function goesOn(pid: number, withinMs: number): Promise<boolean> {
  return answer(
    { withinMs, everyMs: 5, otherwise: false },
    () => readProcessStat(readMembers(pid).root)?.state !== 'T' || undefined,
  );
}

/** What `look` says, asked again and again as long as that is nothing. */
async function answer(
  limits: { readonly withinMs: number; readonly everyMs: number; readonly otherwise: boolean },
  look: () => boolean | undefined,
): Promise<boolean> {
  for (const deadline = performance.now() + limits.withinMs; ; await delay(limits.everyMs)) {
    const said = look();
    if (said !== undefined) return said;
    if (performance.now() > deadline) return limits.otherwise;
  }
}

/** It never runs again, whatever it waits for in the kernel. Source: proc(5), `SigPnd`, `ShdPnd`, and the flags in `stat`. */
function isDying(pid: number, status: string): boolean {
  const stat = readText(`/proc/${pid}/stat`) ?? '';
  const [state = 'X', , , , , , flags = '0'] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const pending = [...status.matchAll(/^(?:SigPnd|ShdPnd):\s+([0-9a-f]+)$/gm)].map(([, mask]) => BigInt(`0x${mask}`));
  return /[ZX]/.test(state) || (Number(flags) & exiting) !== 0 || pending.some((mask) => (mask & killBit) !== 0n);
}
