import { createHash } from 'node:crypto';
import { lstatSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { badImage, imageParts, type ImageFile, type ImageManifest } from './manifest.ts';

/** Larger files are read by a program of their own: hashing a gigabyte here would stop everything else. */
const ownBytes = 256 << 10;
/** As many as share the work on two processors. */
const hashers = 2;

/** Every regular file of an image but its manifest and logs, with size and digest, in the order of their paths. */
export async function digestImage(image: string): Promise<readonly ImageFile[]> {
  const files = walk(image, '').sort((a, b) => (a.path < b.path ? -1 : 1));
  const digests = new Map<string, string>();
  const large = files.filter((file) => file.size > ownBytes).sort((a, b) => b.size - a.size);
  const shares = Array.from({ length: hashers }, (_, i) => large.filter((_, at) => at % hashers === i));
  await Promise.all(
    shares
      .filter((share) => share.length > 0)
      .map(async (share) => {
        const { stdout } = await execa('sha256sum', ['-bz', '--', ...share.map(({ path }) => join(image, path))]);
        stdout.split('\0').forEach((line, at) => {
          const path = share[at]?.path;
          if (path !== undefined) digests.set(path, line.slice(0, 64));
        });
      }),
  );
  return files.map(({ path, size }) => ({
    path,
    size,
    sha256:
      digests.get(path) ??
      createHash('sha256')
        .update(readFileSync(join(image, path)))
        .digest('hex'),
  }));
}

function walk(image: string, folder: string): { readonly path: string; readonly size: number }[] {
  return readdirSync(join(image, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (folder === '' && (entry.name === imageParts.log || entry.name.startsWith(imageParts.manifest))) return [];
    if (entry.isDirectory()) return walk(image, path);
    return entry.isFile() ? [{ path, size: lstatSync(join(image, path)).size }] : [];
  });
}

/** @throws IMAGE_UNUSABLE naming the first file that is missing, cut short, changed or too many */
export async function verifyImage(image: string, manifest: ImageManifest): Promise<void> {
  const wanted = new Map(manifest.files.map((file) => [file.path, file]));
  const sizes = new Map(walk(image, '').map(({ path, size }) => [path, size]));
  // What is cheap to see first: an image that was cut short is mostly large.
  for (const { path, size } of manifest.files) {
    const here = sizes.get(path);
    if (here === undefined) throw badImage(image, `its file ${path} is missing`);
    if (here !== size) throw badImage(image, `its file ${path} has ${here} bytes instead of ${size}`);
  }
  for (const { path, sha256 } of await digestImage(image)) {
    const file = wanted.get(path);
    if (file === undefined) throw badImage(image, `its file ${path} does not belong to it`);
    if (file.sha256 !== sha256) throw badImage(image, `its file ${path} was changed`);
  }
}
