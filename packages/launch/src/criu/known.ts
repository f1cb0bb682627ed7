import { createHash } from 'node:crypto';
import { rmSync, statSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { isOmxError } from '@omx/core';
import type { CriuProgram } from '../host/criu-program.ts';
import { readBootId } from '../host/machine.ts';
import { isThere, readLinkText, readText } from '../host/read.ts';
import { capsuleBinary } from './capsule-binary.ts';
import { runtimeFolder } from './criu-env.ts';

/**
 * That a CRIU works here is remembered until the next boot, since to find out takes half a second of a processor. That one
 * does not work is not: its cause may be mended at any time.
 */
export function isKnownToWork(criu: CriuProgram): boolean {
  const mark = stampOf(criu, 'works');
  return mark !== undefined && isThere(mark);
}

export function remember(criu: CriuProgram, works: boolean): void {
  const mark = stampOf(criu, 'works');
  if (mark === undefined) return;
  try {
    if (works) writeFileSync(mark, '', { mode: 0o600 });
    else rmSync(mark, { force: true });
  } catch {
    // It is tried again, then.
  }
}

/** A name, for a file or a folder, that stands for this CRIU and this capsule under this kernel, for us with what we may do, where we are. */
export function stampOf({ file, version }: CriuProgram, what: 'works' | 'notes'): string | undefined {
  const folder = runtimeFolder();
  if (folder === undefined) return undefined;
  try {
    const programs = [file, capsuleBinary()].map((path) => `${path} ${statSync(path).mtimeMs} ${statSync(path).size}`);
    const namespaces = ['user', 'pid', 'mnt'].map((kind) => readLinkText(`/proc/self/ns/${kind}`));
    const capabilities = readText('/proc/self/status')?.match(/^Cap(Eff|Bnd):.*$/gm) ?? [];
    const facts = [...programs, version, release(), readBootId(), process.geteuid?.(), ...capabilities, ...namespaces];
    return join(folder, `omx-criu-${what}-${createHash('sha256').update(facts.join('\n')).digest('hex').slice(0, 16)}`);
  } catch (error) {
    if (isOmxError(error) || (error as NodeJS.ErrnoException).code !== undefined) return undefined;
    throw error;
  }
}
