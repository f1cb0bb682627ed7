import { readFileSync } from 'node:fs';
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
  readonly files: readonly ImageFile[];
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

export function badImage(
  image: string,
  reason: string,
  hint = 'take an older checkpoint, or run the job again',
): OmxError {
  return new OmxError(`cannot thaw the image ${image}: ${reason}`, { code: 'IMAGE_UNUSABLE', hint });
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
      `it has format ${format}; this omx reads ${String(imageFormat)}`,
      'thaw it with the version of omx that made it',
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
