import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { access, open, stat } from 'node:fs/promises';

import { bufferOf, type Bytes } from '@omx/core';
import type { PathAnswer, PathAnswers, PathQuestion } from '@omx/queue';

/** Of a larger program only so much is read, bytes; its length counts as well. */
const digestBytes = 16 * 1024 ** 2;
/** Where execvp(3) looks without a PATH. */
const defaultSearch = '/bin:/usr/bin';

/** What a job would find at these paths on this node. */
export async function checkPaths(questions: readonly PathQuestion[]): Promise<PathAnswers> {
  return { answers: await Promise.all(questions.map(async (question) => checkPath(question))) };
}

async function checkPath(question: PathQuestion): Promise<PathAnswer> {
  const paths = candidates(question);
  let problem = 'is not there';
  for (const path of paths) {
    try {
      const facts = await stat(bufferOf(path));
      if (question.use === 'folder') {
        if (!facts.isDirectory()) return { problem: 'is not a folder', found: path };
        await access(bufferOf(path), constants.X_OK);
        return { found: path };
      }
      if (!facts.isFile()) problem = 'is not a file';
      else {
        await access(bufferOf(path), constants.X_OK);
        return { found: path, bytes: facts.size, digest: await digestOf(path, facts.size) };
      }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EACCES') problem = question.use === 'folder' ? 'may not be entered' : 'may not be executed';
      else if (code !== 'ENOENT' && code !== 'ENOTDIR') problem = `cannot be looked at (${code ?? String(error)})`;
    }
  }
  return { problem: question.use === 'program' && !question.path.includes('/') ? `${problem} in PATH` : problem };
}

function candidates({ use, path, cwd, search }: PathQuestion): Bytes[] {
  if (use === 'folder' || path.includes('/')) return [absolute(path, cwd)];
  const folders = (search ?? defaultSearch).split(':');
  // An empty one stands for the working directory.
  return folders.map((folder) => absolute((folder === '' ? path : `${folder}/${path}`) as Bytes, cwd));
}

function absolute(path: Bytes, cwd: Bytes): Bytes {
  return path.startsWith('/') ? path : (`${cwd}/${path}` as Bytes);
}

/** One that may be started and not read has no digest. */
async function digestOf(path: Bytes, size: number): Promise<string> {
  const hash = createHash('sha256').update(String(size));
  try {
    const file = await open(bufferOf(path));
    try {
      const bytes = file.createReadStream({ start: 0, end: digestBytes - 1, autoClose: false });
      for await (const piece of bytes) hash.update(piece as Buffer);
    } finally {
      await file.close();
    }
  } catch {
    hash.update('unreadable');
  }
  return hash.digest('hex').slice(0, 16);
}
