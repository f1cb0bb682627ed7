import { join } from 'node:path';

import { errorOf, OmxError } from '@omx/core';
import { receiveInto } from '@omx/launch';
import { type AttemptName, isRefusal, type NodeAsker, type StoredImage } from '@omx/queue';

import { type ImageKeeper, isFolder } from './image-keeper.ts';

interface ImageFetcherOptions {
  /** This node's name, and where others reach it. */
  readonly node: string;
  readonly address: string;
  readonly keeper: Pick<ImageKeeper, 'find'>;
  /** Of a folder that all nodes see. */
  readonly sharedKeeper: (folder: string) => Pick<ImageKeeper, 'find'>;
  readonly asker: Pick<NodeAsker, 'askJson'>;
}

/** For an image of some gigabytes over a slow network; who keeps it answers at its end. */
const fetchMs = 600_000;

/** Brings images from the nodes that keep them. */
export class ImageFetcher {
  readonly #options: ImageFetcherOptions;

  constructor(options: ImageFetcherOptions) {
    this.#options = options;
  }

  /**
   * @param into folder for what comes; nothing is put there where the image is in reach already
   * @param signal ends the waiting at once
   * @returns the image's folder on this node
   * @throws IMAGE_LOST where its keeper cannot be asked, or does not have it; SHIP_FAILED where it does not come as a whole
   */
  async fetch(
    job: Pick<AttemptName, 'batch' | 'ordinal'>,
    image: StoredImage,
    into: string,
    signal: AbortSignal,
  ): Promise<string> {
    const { node, address, keeper, sharedKeeper, asker } = this.#options;
    const { attempt, digest } = image;
    const name: AttemptName = { batch: job.batch, ordinal: job.ordinal, attempt };
    if (image.node === node || isFolder(image.node)) {
      const here = (image.node === node ? keeper : sharedKeeper(image.node)).find(name, digest);
      if (here === undefined) throw lost(image, 'it is not there any more');
      return here;
    }
    const receiving = await receiveInto({ host: address, into, timeoutMs: fetchMs });
    try {
      const { host, port, token } = receiving;
      const request = { type: 'fetch' as const, ...name, digest, to: { host, port, token } };
      const asked = asker.askJson(image.node, request, fetchMs).then(
        (answer) => {
          if (isRefusal(answer)) throw lost(image, answer.refused);
        },
        (error: unknown) => {
          throw lost(image, errorOf(error).message);
        },
      );
      const stopped = new Promise<never>((_, reject) => {
        const stop = (): void => reject(lost(image, 'it is not waited for any more'));
        if (signal.aborted) stop();
        else signal.addEventListener('abort', stop, { once: true });
      });
      // A keeper that dies does not answer, but its connection breaks.
      await Promise.race([Promise.all([asked, receiving.done]), stopped]);
    } catch (error) {
      await receiving.stop();
      throw error;
    }
    return join(into, 'image');
  }
}

function lost(image: StoredImage, reason: string): OmxError {
  return new OmxError(`its image cannot be had from ${isFolder(image.node) ? '' : 'node '}${image.node}: ${reason}`, {
    code: 'IMAGE_LOST',
  });
}
