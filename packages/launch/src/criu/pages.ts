import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { CriuProgram } from '../host/criu-program.ts';
import { capsuleBinary } from './capsule-binary.ts';
import { pageServerArgv, pageServerLog } from './commands.ts';
import { digestImage } from './digests.ts';
import { explainCriu } from './explain.ts';
import { notesFolder } from './kernel-notes.ts';
import { imageParts, readManifest, writeManifest, type ImageManifest } from './manifest.ts';
import { firstWords, listenFor, type Receiving } from './stream.ts';

/**
 * From this size on, memory goes from criu to criu instead of through an image at the source: below, the connection and
 * the second program cost more than the copy that they save. Bytes of resident memory.
 */
export const pageServerBytes = 300 << 20;

export interface ReceivePagesOptions {
  readonly criu: CriuProgram;
  /** As for `receiveInto`. */
  readonly host: string;
  /** `image` in the folder of `receiveInto`, which has to be called before. */
  readonly image: string;
  readonly timeoutMs: number;
}

/**
 * Takes a job's memory while it is frozen elsewhere, with `freeze({ pages })`, into an image whose other files come by
 * `receiveInto`. criu itself reads from the connection. When its dump is well at the source everything was written here.
 * @throws SHIP_FAILED where the host is not this machine
 */
export async function receivePages({ criu, host, image, timeoutMs }: ReceivePagesOptions): Promise<Receiving> {
  const folder = resolve(image);
  const [images, log] = [join(folder, imageParts.criu), join(folder, imageParts.log)];
  for (const each of [images, log]) mkdirSync(each, { recursive: true, mode: 0o700 });
  return listenFor({
    ...{ host, timeoutMs, what: `cannot receive a job's memory into ${image}` },
    words: pageServerArgv({ capsule: capsuleBinary(), criu: criu.file, images, log, notes: notesFolder(criu) }),
    // It may have failed before there was a criu.
    explain: (words) => (words.includes('omx-capsule') ? firstWords(words, '') : explainCriu(join(log, pageServerLog))),
  });
}

/** Once the pages are known to be good, as their copy runs: digests for them too, so that the image is like any other. */
export async function completePages(image: string): Promise<ImageManifest> {
  const { pagesElsewhere: _, ...rest } = readManifest(image);
  return writeManifest(image, { ...rest, files: await digestImage(image) });
}
