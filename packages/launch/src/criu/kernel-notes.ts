import { existsSync, mkdirSync } from 'node:fs';
import { geteuid } from 'node:process';
import type { CriuProgram } from '../host/criu-program.ts';
import { stampOf } from './known.ts';

/**
 * Where root's criu may note down what it finds out about the kernel, where /run cannot keep that (`native/capsule/notes.c`):
 * a folder that is empty after each boot, of this CRIU with these rights. Undefined where there is none, and for others than
 * root, who have `criuEnv`.
 */
export function notesFolder(criu: CriuProgram): string | undefined {
  const folder = geteuid?.() === 0 ? stampOf(criu, 'notes') : undefined;
  try {
    if (folder !== undefined) mkdirSync(folder, { recursive: true, mode: 0o700 });
    return folder;
  } catch {
    return undefined;
  }
}

/** What is noted there; undefined: nothing yet. */
export function notesFile(criu: CriuProgram): string | undefined {
  const folder = geteuid?.() === 0 ? stampOf(criu, 'notes') : undefined;
  const file = `${folder}/criu.kdat`;
  return folder !== undefined && existsSync(file) ? file : undefined;
}
