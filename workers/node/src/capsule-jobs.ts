import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';

import { noUsage, OmxError, type Usage } from '@omx/core';
import { type CapsuleJob, type CapsuleShape, capsuleShape } from '@omx/launch';

import type { Attempt } from './attempt.ts';
import { type AttemptFiles, jobFolder, noteFile } from './job-folders.ts';

export { jobFolder };

/** What is kept of a job that was thawed here, beside its folder: neither its processes nor its folder can tell. */
export interface CapsuleNote {
  /** As its first node made it. */
  readonly shape: CapsuleShape;
  /** Counted before. */
  readonly earlier: Usage;
  /** How long it ran before, for its time limit, milliseconds. @defaultValue 0 */
  readonly ranMs?: number;
}

/** Whole or not at all. Before the copy runs: a worker that finds no note takes the job for one that began here. */
export function writeNote(nodeDir: string, attempt: AttemptFiles, note: CapsuleNote): void {
  const path = noteFile(nodeDir, attempt);
  writeFileSync(`${path}.new`, JSON.stringify(note), { mode: 0o600, flush: true });
  renameSync(`${path}.new`, path);
}

/** Undefined for a job that began here. */
export function readNote(nodeDir: string, attempt: AttemptFiles): CapsuleNote | undefined {
  const path = noteFile(nodeDir, attempt);
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as CapsuleNote) : undefined;
}

/** Counted before it came here. */
export function earlierOf(nodeDir: string, attempt: AttemptFiles & Pick<Attempt, 'launcher'>): Usage {
  return (attempt.launcher === 'criu' ? readNote(nodeDir, attempt)?.earlier : undefined) ?? noUsage;
}

/** @throws NOT_RUNNING where it has no process yet */
export function capsuleJobOf(nodeDir: string, attempt: AttemptFiles & Pick<Attempt, 'key' | 'pid'>): CapsuleJob {
  const { key, pid } = attempt;
  if (pid === undefined) throw new OmxError(`${key} is not running`, { code: 'NOT_RUNNING' });
  const folder = jobFolder(nodeDir, attempt);
  const note = readNote(nodeDir, attempt);
  return {
    pid,
    folder,
    shape: note?.shape ?? capsuleShape(),
    ...(note === undefined ? {} : { earlier: note.earlier }),
  };
}
