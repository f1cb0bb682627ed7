import { existsSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import { chmod, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { attemptId, type BatchId } from '@omx/core';
import { folderFiles } from '@omx/launch';

import type { Attempt } from './attempt.ts';

/** An attempt's place among the files of a node. */
export type AttemptFiles = Pick<Attempt, 'batch' | 'index' | 'number'>;

/** The same by the attempt's name in the shepherd, `b7.12#2`; undefined where that is none. */
export function filesOf(key: string): AttemptFiles | undefined {
  const [, batch, index, number] = /^(b\d+)\.(\d+)#(\d+)$/.exec(key) ?? [];
  return number === undefined ? undefined : { batch: batch as BatchId, index: Number(index), number: Number(number) };
}

/** Folder of an attempt in its capsule: `out`, `err`, `tmp` and what the capsule keeps there. */
export function jobFolder(nodeDir: string, attempt: AttemptFiles): string {
  return join(foldersOf(nodeDir), attempt.batch, nameOf(attempt));
}

/** What was counted before it came here (`capsule-jobs.ts`). */
export function noteFile(nodeDir: string, attempt: AttemptFiles): string {
  return `${jobFolder(nodeDir, attempt)}.json`;
}

/** Where an attempt's output is while it runs without a capsule, and where it stays if it is kept on the node. */
export function keptOutput(nodeDir: string, attempt: AttemptFiles): { readonly out: string; readonly err: string } {
  const stem = `${nodeDir}/out/${attempt.batch}/${nameOf(attempt)}`;
  return { out: `${stem}.out`, err: `${stem}.err` };
}

/** Where the output of an attempt in its capsule is until its end is on record. */
export function capsuleOutput(nodeDir: string, attempt: AttemptFiles): { readonly out: string; readonly err: string } {
  const folder = jobFolder(nodeDir, attempt);
  return { out: join(folder, folderFiles.out), err: join(folder, folderFiles.err) };
}

/** An empty folder for an attempt that starts here. */
export function makeJobFolder(nodeDir: string, attempt: AttemptFiles): string {
  const folder = jobFolder(nodeDir, attempt);
  // Left by a start that was given back.
  if (existsSync(folder)) removeJobFolder(nodeDir, attempt);
  mkdirSync(join(folder, folderFiles.tmp), { recursive: true, mode: 0o700 });
  return folder;
}

/**
 * The attempt is over here: nothing of it stays but, with `keepOutput`, its output, among that of other launchers. Its folder
 * gets out of the way at once, as the job may be given back to this node in the same attempt, and vanishes a little later.
 */
export function removeJobFolder(
  nodeDir: string,
  attempt: AttemptFiles,
  { keepOutput = false }: { readonly keepOutput?: boolean } = {},
): void {
  const folder = jobFolder(nodeDir, attempt);
  // A crash may leave a half-written one.
  for (const end of ['', '.new']) rmSync(`${noteFile(nodeDir, attempt)}${end}`, { force: true });
  if (existsSync(folder)) {
    if (keepOutput) moveOutput(nodeDir, attempt);
    const trash = join(foldersOf(nodeDir), trashName);
    mkdirSync(trash, { recursive: true, mode: 0o700 });
    const away = join(trash, `${attemptId(attempt.batch, attempt.index, attempt.number)}.${process.pid}.${++thrown}`);
    renameSync(folder, away);
    // What cannot be removed is tried again by the next worker.
    removeTree(away)
      .then(() => removeEmpty(trash))
      .catch(() => undefined);
  }
  removeEmpty(dirname(folder));
}

/** Attempts that have a folder here, or a note, or both. */
export function foundJobFolders(nodeDir: string): AttemptFiles[] {
  const top = foldersOf(nodeDir);
  return namesIn(top)
    .filter((batch) => batch !== trashName)
    .flatMap((batch) => {
      const names = new Set(namesIn(join(top, batch)).map((name) => name.replace(/\.json(\.new)?$/, '')));
      return [...names].flatMap((name) => {
        const [, index, number] = /^(\d+)\.(\d+)$/.exec(name) ?? [];
        return number === undefined ? [] : [{ batch: batch as BatchId, index: Number(index), number: Number(number) }];
      });
    });
}

/** Removes what an earlier worker had no time to. */
export function emptyTrash(nodeDir: string): void {
  removeTree(join(foldersOf(nodeDir), trashName)).catch(() => undefined);
}

const trashName = '.gone';
let thrown = 0;

function foldersOf(nodeDir: string): string {
  return join(nodeDir, 'jobs');
}

function nameOf({ index, number }: AttemptFiles): string {
  return `${index}.${number}`;
}

function moveOutput(nodeDir: string, attempt: AttemptFiles): void {
  const [from, to] = [capsuleOutput(nodeDir, attempt), keptOutput(nodeDir, attempt)];
  mkdirSync(dirname(to.out), { recursive: true, mode: 0o700 });
  for (const stream of ['out', 'err'] as const) if (existsSync(from[stream])) renameSync(from[stream], to[stream]);
}

/** Also what the job has made read-only. Names are bytes: they need not be text. */
async function removeTree(folder: string): Promise<void> {
  try {
    await rm(folder, { recursive: true, force: true });
  } catch {
    await unlock(Buffer.from(folder));
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** What vanishes meanwhile is passed over: a removal that has failed goes on elsewhere in the tree. */
async function unlock(folder: Buffer): Promise<void> {
  try {
    await chmod(folder, 0o700);
    for (const entry of await readdir(folder, { withFileTypes: true, encoding: 'buffer' })) {
      if (entry.isDirectory()) await unlock(Buffer.concat([folder, Buffer.from('/'), entry.name]));
    }
  } catch {
    // Whoever removes it says whether it is in the way.
  }
}

function removeEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Others are in it, or it is gone.
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
