import { createHash } from 'node:crypto';
import { closeSync, lstatSync, openSync, readSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { checkPages } from './pagemaps.ts';
import { badImage, imageParts, isPagesFile, type ImageFile, type ImageManifest } from './manifest.ts';
import type { RunningDigests } from './running-digests.ts';

/**
 * Together, what is hashed here, in pieces. More is given to threads of their own; but to start one takes as much of a processor as to hash
 * 45 MB, while a job stands still.
 */
const ownBytes = 64 << 20;
const threads = 2;
const pieceBytes = 1 << 20;

/** Node's hash uses the processor's instructions for it, which `sha256sum` of many distributions does not: four times as fast here. */
const hashing = `
  const { createHash } = require('node:crypto');
  const { closeSync, openSync, readSync } = require('node:fs');
  const { parentPort, workerData } = require('node:worker_threads');
  const buffer = Buffer.allocUnsafe(1 << 20);
  parentPort.postMessage(workerData.map((path) => {
    const hash = createHash('sha256');
    const fd = openSync(path, 'r');
    for (let got; (got = readSync(fd, buffer)) > 0; ) hash.update(buffer.subarray(0, got));
    closeSync(fd);
    return hash.digest('hex');
  }));`;

function hashInThread(paths: readonly string[]): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(hashing, { eval: true, workerData: paths });
    thread.once('message', resolve);
    thread.once('error', reject);
  });
}

/**
 * Every regular file of an image but its manifest and logs, with size and digest, in the order of their paths.
 * @param running of the same image; what it has found is not read again
 */
export async function digestImage(
  image: string,
  isWanted: (path: string) => boolean = () => true,
  running?: RunningDigests,
): Promise<readonly ImageFile[]> {
  const files = walk(image, '')
    .filter(({ path }) => isWanted(path))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
  const digests = new Map<string, string>();
  const known = await running?.finish();
  for (const { path, size } of files) {
    const found = known?.get(path);
    if (found?.size === size) digests.set(path, found.sha256);
  }
  const rest = files.filter(({ path }) => !digests.has(path));
  const sum = rest.reduce((bytes, { size }) => bytes + size, 0);
  const large = rest.filter((file) => sum > ownBytes && file.size > pieceBytes).sort((a, b) => b.size - a.size);
  const shares = Array.from({ length: threads }, (_, i) => large.filter((_, at) => at % threads === i));
  await Promise.all(
    shares.map(async (share) => {
      if (share.length === 0) return;
      const found = await hashInThread(share.map(({ path }) => join(image, path)));
      share.forEach(({ path }, at) => digests.set(path, found[at] ?? ''));
    }),
  );
  for (const { path, size } of files)
    if (!digests.has(path)) digests.set(path, await digestOf(join(image, path), size));
  return files.map(({ path, size }) => ({ path, size, sha256: digests.get(path) ?? '' }));
}

/** Lets others have their turn between two pieces. */
async function digestOf(path: string, size: number): Promise<string> {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(Math.min(pieceBytes, size + 1));
  const fd = openSync(path, 'r');
  try {
    for (let got; (got = readSync(fd, buffer)) > 0;) {
      hash.update(buffer.subarray(0, got));
      if (got === pieceBytes) await nextTurn();
    }
  } finally {
    closeSync(fd);
  }
  return hash.digest('hex');
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
export async function verifyImage(image: string, manifest: ImageManifest, running?: RunningDigests): Promise<void> {
  const wanted = new Map(manifest.files.map((file) => [file.path, file]));
  const sizes = new Map(walk(image, '').map(({ path, size }) => [path, size]));
  // What is cheap to see first: an image that was cut short is mostly large.
  for (const { path, size } of manifest.files) {
    const here = sizes.get(path);
    if (here === undefined) throw badImage(image, `its file ${path} is missing`);
    if (here !== size) throw badImage(image, `its file ${path} has ${here} bytes instead of ${size}`);
  }
  // The source never had them, so it could not tell their digests.
  const isElsewhere = manifest.pagesElsewhere === true;
  if (isElsewhere) checkPages(image);
  const isHere = (path: string): boolean => !isElsewhere || !isPagesFile(path);
  for (const { path, sha256 } of await digestImage(image, isHere, running)) {
    const file = wanted.get(path);
    if (file === undefined) throw badImage(image, `its file ${path} does not belong to it`);
    if (file.sha256 !== sha256) throw badImage(image, `its file ${path} was changed`);
  }
}
