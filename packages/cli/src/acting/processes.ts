import { readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';

import { connect } from '@omx/queue';
import { answers, type Home, pidFileHolder, serverPid, waitGone } from '@omx/queue/embedded';

/** Asks a process to end, and waits. @returns false where it had to be killed */
export async function endProcess(pid: number, graceMs: number): Promise<boolean> {
  signal(pid, 'SIGTERM');
  if (await waitGone(pid, graceMs)) return true;
  signal(pid, 'SIGKILL');
  await waitGone(pid, 5000);
  return false;
}

/** The shepherd of a node's folder, if one lives: a worker that was killed leaves it running. */
export function shepherdPid(nodeDir: string): number | undefined {
  const pid = pidFileHolder(`${nodeDir}/shepherd.lock`, () => true);
  // The number may be another process's by now; ours was started with the folder as its first argument.
  return pid !== undefined &&
    isSameFolder(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[1] ?? '', nodeDir)
    ? pid
    : undefined;
}

/** The embedded server: the one that answers, else the one of the pid file if it works in our folder. */
export async function queuePid(home: Home): Promise<number | undefined> {
  if (await answers(home.redisSocket)) {
    const redis = await connect({ socket: home.redisSocket }, { anyVersion: true });
    const pid = /^process_id:(\d+)/m.exec(await redis.info('server'))?.[1];
    redis.disconnect();
    return Number(pid);
  }
  const pid = serverPid(home);
  return pid !== undefined && isSameFolder(() => readlinkSync(`/proc/${pid}/cwd`), home.redisDir) ? pid : undefined;
}

function isSameFolder(one: () => string, other: string): boolean {
  try {
    return realpathSync(one()) === realpathSync(other);
  } catch {
    return false;
  }
}

/**
 * Processes that write to files below a folder, by what they have open: jobs that nobody watches any more, as after
 * the violent death of a shepherd. Only this user's processes can be seen.
 */
export function writersBelow(folder: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && writesBelow(name, `${folder}/`))
    .map(Number);
}

function writesBelow(pid: string, prefix: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some(
      (fd) => readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith(prefix) && isWritable(pid, fd),
    );
  } catch {
    // Somebody else's, or gone in between.
    return false;
  }
}

/** The access mode is the lowest two bits of the octal `flags` (proc(5)); 0 is read-only. */
function isWritable(pid: string, fd: string): boolean {
  const flags = /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'latin1'))?.[1] ?? '0';
  return Number.parseInt(flags, 8) % 4 !== 0;
}

export function signal(pid: number, name: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(pid, name);
  } catch {
    // It is gone.
  }
}
