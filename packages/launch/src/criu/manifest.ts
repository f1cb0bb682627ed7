import { createHash } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { arch } from 'node:process';
import { join } from 'node:path';
import { OmxError, type Usage } from '@omx/core';
import type { CapsuleShape } from './commands.ts';
import type { NeededFile } from './program-files.ts';

/**
 * `manifest.json` of an image, written last: an image without it is not complete.
 *
 *   manifest.json
 *   criu/       what criu wrote
 *   carried/    files from folders for temporary ones, numbered as in the manifest
 *   folder/     the job's folder, in checkpoints; a move takes the folder itself
 *   log/        criu's logs; not part of the image
 */
export interface ImageManifest {
  readonly format: typeof imageFormat;
  readonly criu: string;
  readonly arch: string;
  readonly shape: CapsuleShape;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** The job's clocks when it was frozen, nanoseconds as decimals. */
  readonly clocks: { readonly monotonicNs: string; readonly bootNs: string };
  readonly lastPid: number;
  /** Counted since the job's first start, all stays. */
  readonly usage: Usage;
  readonly needed: readonly NeededFile[];
  readonly carried: readonly CarriedEntry[];
  /** Without those of its memory, where that went to another node. */
  readonly files: readonly ImageFile[];
  /** Its memory went to another node while it was written: it can be thawed there only. */
  readonly pagesElsewhere?: true;
  /** Of a single child of the job: its pid in the capsule. It is thawed by `thawChild` only, and everything else never. */
  readonly child?: number;
}

export interface CarriedEntry {
  readonly path: string;
  readonly isWritable: boolean;
  readonly sha256: string;
}

export interface ImageFile {
  /** Relative to the image. */
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
}

/** Changes with everything that an older or newer omx could not read or would understand otherwise. */
export const imageFormat = 1;

export const imageParts = { manifest: 'manifest.json', criu: 'criu', carried: 'carried', folder: 'folder', log: 'log' };

export function badImage(image: string, reason: string, hint?: string): OmxError {
  return new OmxError(`cannot thaw the image ${image}: ${reason}`, {
    code: 'IMAGE_UNUSABLE',
    ...(hint === undefined ? {} : { hint }),
  });
}

/** SHA-256 of the manifest, hex, and so of everything it names. @throws IMAGE_UNUSABLE where there is none */
export function imageDigest(image: string): string {
  try {
    return createHash('sha256')
      .update(readFileSync(join(image, imageParts.manifest)))
      .digest('hex');
  } catch {
    throw badImage(image, 'it is not complete (no manifest)');
  }
}

/** @throws IMAGE_UNUSABLE where the manifest is not the one with this digest; what it names is for `verifyImage` */
export function checkDigest(image: string, digest: string): void {
  if (imageDigest(image) !== digest) throw badImage(image, 'it is not the one that was made: its manifest was changed');
}

/** Of the files that criu's page server writes. */
export function isPagesFile(path: string): boolean {
  return /^criu\/pages-\d+\.img$|^criu\/pagemap-[\w-]+\.img$/.test(path);
}

/** Complete or not at all, and the last of an image's files. */
export function writeManifest(image: string, manifest: ImageManifest): ImageManifest {
  const path = join(image, imageParts.manifest);
  writeFileSync(`${path}.new`, `${JSON.stringify(manifest)}\n`, { mode: 0o600, flush: true });
  renameSync(`${path}.new`, path);
  return manifest;
}

/** @throws IMAGE_UNUSABLE where it is missing, another format, or for another kind of machine */
export function readManifest(image: string): ImageManifest {
  let manifest: ImageManifest;
  try {
    manifest = JSON.parse(readFileSync(join(image, imageParts.manifest), 'utf8')) as ImageManifest;
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    throw badImage(image, isMissing ? 'it is not complete (no manifest)' : 'its manifest cannot be read');
  }
  // The rest of an unknown format must not be looked at.
  const format: number = manifest.format;
  if (format !== imageFormat) {
    throw badImage(
      image,
      `another version of omx made it, in the image format ${format}, and this omx reads the format ${String(imageFormat)}`,
      'start the worker of this node with the version of omx that made it',
    );
  }
  if (manifest.arch !== arch) {
    throw badImage(
      image,
      `it was made on ${manifest.arch}, this node is ${arch}`,
      `choose a node that is ${manifest.arch}`,
    );
  }
  return manifest;
}
