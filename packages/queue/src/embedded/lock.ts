import { closeSync, openSync, readFileSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

import { errorOf, ExitCode, OmxError } from '@omx/core';

const emptyLockMs = 2000;

/**
 * Runs `work` while no other process of this home does. The lock file names its holder by process id and start time,
 * so that one left by a crash is recognised, whatever process has the number now.
 */
export async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + 30_000;
  while (!tryLock(path)) {
    if (Date.now() > deadline) {
      throw new OmxError(`cannot start the queue: another omx has been starting it for 30 s (${path})`, {
        code: 'START_LOCKED',
        exitCode: ExitCode.unreachable,
        hint: `if no omx is running, remove ${path}`,
      });
    }
    await delay(25);
  }
  try {
    return await work();
  } finally {
    unlinkSync(path);
  }
}

function tryLock(path: string): boolean {
  try {
    const file = openSync(path, 'wx', 0o600);
    writeSync(file, `${process.pid} ${startTime(process.pid) ?? ''}\n`);
    closeSync(file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
      throw new OmxError(`cannot make the lock ${path}: ${errorOf(error).message}`, {
        code: 'HOME_UNWRITABLE',
        exitCode: ExitCode.unreachable,
        hint: 'set OMX_HOME to a folder you may write to',
        cause: error,
      });
    }
  }
  if (isStale(path)) {
    try {
      unlinkSync(path);
    } catch {
      // Somebody else removed it first.
    }
  }
  return false;
}

function isStale(path: string): boolean {
  try {
    const [pid = '', started = ''] = readFileSync(path, 'utf8').trim().split(' ');
    // Just made, its holder not yet written; or left so by a full disk.
    if (pid === '') return Date.now() - statSync(path).mtimeMs > emptyLockMs;
    return startTime(Number(pid)) !== started;
  } catch {
    return false;
  }
}

/** Field 22 of `/proc/<pid>/stat` (proc(5)); undefined when there is no such process. */
export function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}
