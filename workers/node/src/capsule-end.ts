import { constants } from 'node:os';

import { addUsage } from '@omx/core';
import { type CapsuleStatus, type EndedEvent, readStatus, wholeUsage } from '@omx/launch';

import { type AttemptFiles, jobFolder } from './job-folders.ts';
import { readNote } from './capsule-jobs.ts';
import { usedElsewhere } from './moving/children/elsewhere.ts';

/** How `omx-capsule` exits where it failed by itself; `native/capsule/capsule.h` says the same. */
const failedCode = 125;

/**
 * The end of a job in a capsule as that of a job without: usage over its whole life, and, where only the shepherd died in the
 * moment between the job's end and its own, the end that the job itself has written down.
 */
export function wholeEnd(nodeDir: string, attempt: AttemptFiles, event: EndedEvent): EndedEvent {
  const status = statusOf(nodeDir, attempt);
  const earlier = readNote(nodeDir, attempt)?.earlier;
  // The shepherd's own count is that of this stay, with what it took to thaw the job where it was thawed.
  const here = status !== undefined && (earlier !== undefined || event.lost === true) ? status.usage : event.usage;
  const own = earlier === undefined ? here : wholeUsage(earlier, here);
  const usage = addUsage(own, usedElsewhere(jobFolder(nodeDir, attempt)));
  if (event.lost !== true || status === undefined) return { ...event, usage };
  const { lost: _lost, exitCode: _code, signal: _signal, ...rest } = event;
  const { exitCode, signal } = status;
  return {
    ...rest,
    ...(signal === undefined ? { exitCode: exitCode ?? failedCode } : { signal }),
    endedAt: Math.max(event.startedAt, status.endedAt),
    usage,
  };
}

/** Why a job in a capsule never ran. */
export interface CapsuleFailure {
  /** The symbolic errno, where the capsule failed at starting the command, or for want of something. */
  readonly errno?: string;
  /** The capsule's own. */
  readonly words: string;
}

/** Undefined where the command did run. */
export function capsuleFailure(nodeDir: string, attempt: AttemptFiles, event: EndedEvent): CapsuleFailure | undefined {
  const status = statusOf(nodeDir, attempt);
  const said = (event.output?.err.toString('utf8') ?? '').split('\n');
  if (status?.errno !== undefined) {
    const name = Object.entries(constants.errno).find(([, number]) => number === status.errno)?.[0];
    return { errno: name ?? `E${status.errno}`, words: said[0] ?? '' };
  }
  if (status !== undefined || event.reason !== 'none' || event.exitCode !== failedCode) return undefined;
  const words = said.findLast((line) => line.startsWith(prefix))?.slice(prefix.length) ?? 'it does not say why';
  const errno = errnos.find(([pattern]) => pattern.test(words))?.[1];
  return { words, ...(errno === undefined ? {} : { errno }) };
}

const prefix = 'omx-capsule: ';

/** As strerror(3) puts what is no fault of the capsule: too little of something now, or too long a command. */
const errnos: readonly (readonly [RegExp, string])[] = [
  [/Resource temporarily unavailable$/, 'EAGAIN'],
  [/Cannot allocate memory$/, 'ENOMEM'],
  [/No space left on device$/, 'ENOSPC'],
  [/Disk quota exceeded$/, 'EDQUOT'],
  [/Too many open files$/, 'EMFILE'],
  [/Too many open files in system$/, 'ENFILE'],
  [/Argument list too long$/, 'E2BIG'],
];

/** The job may write into its folder itself: what is no status is none. */
function statusOf(nodeDir: string, attempt: AttemptFiles): CapsuleStatus | undefined {
  try {
    const status = readStatus(jobFolder(nodeDir, attempt));
    const { userUs = NaN, sysUs = NaN, maxRssKib = NaN } = status?.usage ?? {};
    return [userUs, sysUs, maxRssKib, status?.endedAt].every(Number.isFinite) ? status : undefined;
  } catch {
    return undefined;
  }
}
