import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

import { startTime } from './lock.ts';

export interface DaemonOptions {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly logFile: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** A process that goes on without us: own session, no terminal, output to a log file. */
export function startDaemon(options: DaemonOptions): { readonly pid: number; exited(): boolean } {
  const log = openSync(options.logFile, 'a', 0o600);
  const child = spawn(options.program, options.args, {
    cwd: options.cwd,
    detached: true,
    stdio: ['ignore', log, log],
    ...(options.env === undefined ? {} : { env: options.env }),
  });
  closeSync(log);
  let gone = false;
  child.on('exit', () => {
    gone = true;
  });
  child.on('error', () => {
    gone = true;
  });
  child.unref();
  return { pid: child.pid ?? -1, exited: () => gone };
}

/**
 * Says that a process has taken a place. Its id is the first line; its start time, the second, tells it from another that
 * got the same id later. Where a container starts again that may be a thread of the very process that looks.
 */
export function writePidFile(path: string, pid: number): void {
  writeFileSync(path, `${pid}\n${startTime(pid) ?? ''}\n`, { mode: 0o600 });
}

/** The process named in a pid file (of {@link writePidFile}, or an id alone), if it lives and is the program it should be. */
export function pidFileHolder(path: string, looksRight: (commandLine: string) => boolean): number | undefined {
  try {
    const [id = '', started] = readFileSync(path, 'utf8').trim().split('\n');
    const pid = Number(id);
    const lives = startTime(pid);
    if (!Number.isInteger(pid) || pid <= 1 || lives === undefined || (started ?? lives) !== lives) return undefined;
    return looksRight(readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')) ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** Waits until a process is gone. */
export async function waitGone(pid: number, timeoutMs: number): Promise<boolean> {
  const started = startTime(pid);
  for (const deadline = Date.now() + timeoutMs; Date.now() < deadline; await delay(10)) {
    if (startTime(pid) === undefined || startTime(pid) !== started) return true;
  }
  return false;
}

/** The end of a log, for error messages. */
export function logTail(path: string, lines = 3): string {
  try {
    return readFileSync(path, 'utf8').trim().split('\n').slice(-lines).join(' | ');
  } catch {
    return '';
  }
}
