import { createHash } from 'node:crypto';
import { constants, copyFileSync, mkdirSync, readFileSync, renameSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { CarriedFile } from './inspect.ts';
import { badImage, imageParts, type CarriedEntry, type ImageManifest } from './manifest.ts';

/** Copies the files into the image; what is no regular file, or gone, is left out. The job stands still meanwhile. */
export function carry(image: string, files: readonly CarriedFile[]): readonly CarriedEntry[] {
  const folder = join(image, imageParts.carried);
  const entries: CarriedEntry[] = [];
  for (const { path, isWritable } of files) {
    const sha256 = digestOf(path);
    if (sha256 === undefined) continue;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    copyFileSync(path, join(folder, String(entries.length)), constants.COPYFILE_FICLONE);
    entries.push({ path, isWritable, sha256 });
  }
  return entries;
}

/**
 * Puts them where the job had them. The same file stays untouched: on the node where the job still is, it has it open.
 * @throws IMAGE_UNUSABLE where another file is in the place of one that the job only reads
 */
export function putCarried(image: string, manifest: ImageManifest): void {
  manifest.carried.forEach(({ path, isWritable, sha256 }, number) => {
    if (!/^\/(tmp|var\/tmp|dev\/shm)\//.test(path) || path.includes('/../')) {
      throw badImage(image, `it wants to write ${path}`);
    }
    const here = digestOf(path);
    if (here === sha256) return;
    if (here !== undefined && !isWritable)
      throw badImage(image, `another file is at ${path} here`, 'choose another node');
    const fresh = `${path}.omx-${process.pid}`;
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    copyFileSync(join(image, imageParts.carried, String(number)), fresh);
    renameSync(fresh, path);
  });
}

function digestOf(path: string): string | undefined {
  try {
    if (!statSync(path).isFile()) return undefined;
    return createHash('sha256').update(readFileSync(path)).digest('hex');
  } catch {
    return undefined;
  }
}
