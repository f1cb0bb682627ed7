import type { AttemptName, ImageStore, NodeAsker, StoredImage } from '@omx/queue';

import { type ImageKeeper, isFolder } from './image-keeper.ts';

/** Lets images go that nobody needs any more, wherever they are. */
export class ImageDropper {
  readonly #images: ImageStore;
  readonly #asker: Pick<NodeAsker, 'askJson'>;
  readonly #sharedKeeper: (folder: string) => Pick<ImageKeeper, 'drop'>;

  constructor(options: {
    readonly images: ImageStore;
    readonly asker: Pick<NodeAsker, 'askJson'>;
    /** Of a folder that all nodes see. */
    readonly sharedKeeper: (folder: string) => Pick<ImageKeeper, 'drop'>;
  }) {
    this.#images = options.images;
    this.#asker = options.asker;
    this.#sharedKeeper = options.sharedKeeper;
  }

  /** The job has ended: it needs none any more. */
  async ended(job: Pick<AttemptName, 'batch' | 'ordinal'>): Promise<void> {
    const image = await this.#images.get(job.batch, job.ordinal);
    if (image !== undefined) await this.drop(job, image);
  }

  /** From the registry first: what that names no keeper removes. */
  async drop(job: Pick<AttemptName, 'batch' | 'ordinal'>, image: StoredImage): Promise<void> {
    await this.#images.remove(job.batch, job.ordinal, image);
    await this.remove(job, image);
  }

  /** Only the files, of an image that is not in the registry. A keeper that cannot be asked now finds out by itself. */
  async remove({ batch, ordinal }: Pick<AttemptName, 'batch' | 'ordinal'>, image: StoredImage): Promise<void> {
    if (isFolder(image.node)) {
      await this.#sharedKeeper(image.node).drop({ type: 'drop', batch, ordinal, attempt: image.attempt });
      return;
    }
    await this.#asker
      .askJson(image.node, { type: 'drop', batch, ordinal, attempt: image.attempt })
      .catch(() => undefined);
  }
}
