import { setTimeout as delay } from 'node:timers/promises';

import { readText } from '../host/read.ts';
import { machineRoots, type Roots } from '../host/roots.ts';

/** Killing what a node runs takes rounds; a shepherd that hangs in the kernel is not waited for longer. */
const goneMs = 10_000;

/**
 * Ends another node's shepherd on this machine, and with it everything it runs. Does nothing where the process is gone
 * or is something else by now.
 */
export async function endShepherd(pid: number, roots: Roots = machineRoots): Promise<void> {
  const isShepherd = (): boolean => {
    const [program = ''] = (readText(`${roots.proc}/${pid}/cmdline`) ?? '').split('\0');
    return program.endsWith('omx-shepherd');
  };
  if (pid <= 0 || !isShepherd()) return;
  // A stopped one takes the signal only when it goes on.
  process.kill(pid, 'SIGTERM');
  process.kill(pid, 'SIGCONT');
  const deadline = performance.now() + goneMs;
  while (isShepherd() && performance.now() < deadline) await delay(10);
  if (isShepherd()) process.kill(pid, 'SIGKILL');
}
