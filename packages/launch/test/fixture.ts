import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import type { Roots } from '../src/host/roots.ts';

const fixtures = fileURLToPath(new URL('../../../test/fixtures', import.meta.url));
export const standInFolder = join(fixtures, 'bin');
export const standIn = join(standInFolder, 'mosrun');

export function fixtureFile(path: string): string {
  return join(fixtures, 'mosix', path);
}

/** One of the trees under `test/fixtures/mosix`, with the folder of its programs. */
export function mosixTree(name: string): { readonly roots: Roots; readonly bin: string } {
  return { roots: rootsIn(fixtureFile(name)), bin: fixtureFile(`${name}/bin`) };
}

/** A tree made for one test and removed after it. */
export function treeOf(files: Readonly<Record<string, string | Uint8Array>>): Roots & { readonly top: string } {
  const top = mkdtempSync(join(tmpdir(), 'omx-tree-'));
  onTestFinished(() => rmSync(top, { recursive: true, force: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(top, path)), { recursive: true });
    writeFileSync(join(top, path), text);
  }
  return { ...rootsIn(top), top };
}

function rootsIn(top: string): Roots {
  return { proc: join(top, 'proc'), etc: join(top, 'etc'), mfs: join(top, 'mfs'), sys: join(top, 'sys') };
}
