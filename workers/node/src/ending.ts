import type { CancelledBy, LauncherName, NotStartedReason, Outcome } from '@omx/core';
import { type EndedEvent, mosrunFailure, type RefusedEvent } from '@omx/launch';

/** What the end of a process means for its job. */
export function outcomeOfEnd(event: EndedEvent, cancelledBy: CancelledBy | undefined, launcher: LauncherName): Outcome {
  if (launcher === 'mosrun' && event.exitCode !== undefined) {
    const failure = mosrunFailure({
      exitCode: event.exitCode,
      durationMs: event.endedAt - event.startedAt,
      stderr: event.output?.err.toString('utf8') ?? '',
    });
    if (failure !== undefined) return { kind: 'not-started', reason: failure.reason };
  }
  switch (event.reason) {
    case 'timeout':
      return { kind: 'timed-out' };
    case 'oom':
      return { kind: 'oom' };
    case 'cancel':
      return { kind: 'cancelled', by: cancelledBy ?? 'user' };
    case 'requeue':
    case 'fenced':
    case 'lease':
    case 'none':
      if (event.oomKilled) return { kind: 'oom' };
      if (event.signal !== undefined) return { kind: 'signalled', signal: event.signal };
      return event.exitCode === 0 ? { kind: 'succeeded' } : { kind: 'exited', code: event.exitCode ?? 255 };
  }
}

const shortages: Readonly<Record<string, string>> = {
  EMFILE: 'open files',
  ENFILE: 'open files',
  EAGAIN: 'processes',
  ENOMEM: 'memory',
  ENOSPC: 'room on the disk of its folder',
  EDQUOT: 'room on the disk of its folder',
};

/** What the node is short of for now by this error; undefined where that is not what it says. */
export function shortOf(errno: unknown): string | undefined {
  return shortages[String(errno)];
}

/**
 * Why a start was refused: the job's own fault, or `undefined` where the node is short of something for now
 * (processes, files, memory, disk, or its lease), which the job must not be charged for.
 */
export function refusalReason(event: RefusedEvent): NotStartedReason | undefined {
  if (shortOf(event.errno) !== undefined) return undefined;
  switch (event.stage) {
    case 'cwd':
      return 'no-such-cwd';
    case 'stdin':
      return 'no-such-stdin';
    case 'exec':
      return execReasons[event.errno] ?? 'other';
    case 'output':
    case 'fork':
      return 'other';
    case 'lease':
    case 'recalled':
      return undefined;
  }
}

const execReasons: Readonly<Record<string, NotStartedReason>> = {
  ENOENT: 'no-such-program',
  ENOTDIR: 'no-such-program',
  EACCES: 'not-executable',
  EPERM: 'not-executable',
  EISDIR: 'not-executable',
  ENOEXEC: 'no-interpreter',
  E2BIG: 'too-long',
};
