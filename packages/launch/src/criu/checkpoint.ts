import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { OmxError } from '@omx/core';
import { execa } from 'execa';
import { freeze, type FreezeOptions } from './freeze.ts';
import { imageParts, type ImageManifest } from './manifest.ts';

export interface Checkpoint {
  readonly manifest: ImageManifest;
  /** How long the job stood still, milliseconds; at most, as it is counted from outside. */
  readonly pauseMs: number;
}

/**
 * Writes an image of a job that goes on running, with a copy of its folder, both of one moment. Whatever was at
 * `options.image` is replaced when the new one is complete and on the disk, not before.
 * @throws as `freeze`; the job goes on in any case
 */
export async function checkpoint(options: FreezeOptions): Promise<Checkpoint> {
  const { image, job } = options;
  const fresh = `${image}.new`;
  try {
    const begin = performance.now();
    const frozen = await freeze({ ...options, image: fresh });
    try {
      await copyFolder(job.folder, join(fresh, imageParts.folder));
      // What it writes as it goes on is not what the image goes on from.
      if (!frozen.isHeld)
        throw new OmxError(`the job of process ${job.pid} went on before its folder was copied`, {
          code: 'CANNOT_MOVE',
          hint: 'a job with less in its folder stands still for a shorter time',
        });
    } finally {
      await frozen.keepGoing();
    }
    const pauseMs = performance.now() - begin;
    const manifest = await frozen.seal();
    await syncFolder(fresh);
    rmSync(image, { recursive: true, force: true });
    renameSync(fresh, image);
    return { manifest, pauseMs };
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true });
    throw error;
  }
}

/** Lays out the folder of a checkpoint for `thaw`; whatever is there is replaced. */
export async function restoreFolder(image: string, folder: string): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  await copyFolder(join(image, imageParts.folder), folder);
}

/** Sees to it that all of it is on the disk. */
export async function syncFolder(folder: string): Promise<void> {
  await execa('sync', ['-f', folder]);
}

/** With owners, modes, times, links and holes; shares the blocks where the file system can. */
export async function copyFolder(from: string, to: string): Promise<void> {
  await execa('cp', ['-a', '--reflink=auto', '--', from, to]);
}
