import type { CriuProgram } from '../host/criu-program.ts';
import { verifyImage } from './digests.ts';
import { badImage, readManifest, type ImageManifest } from './manifest.ts';
import { prepareCapsule, type PrepareOptions, type Thawed } from './prepare.ts';
import { differences } from './program-files.ts';
import type { RunningDigests } from './running-digests.ts';
import { compareVersions } from './usable.ts';

/**
 * Makes a copy from an image, which stays as it is and can be used any number of times.
 * @throws IMAGE_UNUSABLE before anything is started, CANNOT_THAW where criu could not; nothing runs then
 */
export async function thaw(options: Omit<PrepareOptions, 'shape'>): Promise<Thawed> {
  const manifest = await checkImage(options.image, options.criu);
  const prepared = await prepareCapsule({ ...options, shape: manifest.shape });
  return prepared.thaw(manifest);
}

/**
 * What can be known of an image and this node before anything is started.
 * @param running begun before the image came
 * @throws IMAGE_UNUSABLE
 */
export async function checkImage(image: string, criu: CriuProgram, running?: RunningDigests): Promise<ImageManifest> {
  const manifest = readManifest(image);
  if (compareVersions(criu.version, manifest.criu) < 0) {
    throw badImage(image, `CRIU ${manifest.criu} wrote it, this node has ${criu.version}`, 'update CRIU on this node');
  }
  if (!manifest.shape.userNamespace && process.geteuid?.() !== 0) {
    throw badImage(image, 'a worker run by root wrote it, this one is not root', 'choose a node whose worker is root');
  }
  const [difference] = differences(manifest.needed);
  if (difference !== undefined) throw badImage(image, difference, 'choose a node with the same programs and libraries');
  await verifyImage(image, manifest, running);
  return manifest;
}
