import type { NodeInfo } from '@omx/core';
import {
  type AttemptName,
  isRefusal,
  type JobTraits,
  type NodeAsker,
  type NodeStore,
  type Receiver,
  type Refusal,
} from '@omx/queue';

import type { ImageKeeper } from './image-keeper.ts';
import { refusalOf } from './refusals.ts';

interface ImagePlacesOptions {
  /** This node's name. */
  readonly node: string;
  /** Of this node: what is at the same place is likely to die with it. */
  readonly place: string;
  readonly nodes: Pick<NodeStore, 'list'>;
  readonly asker: Pick<NodeAsker, 'askJson'>;
  /** A folder that all nodes see, and its keeper: it has the images in the place of other nodes. */
  readonly shared?: { readonly folder: string; readonly keeper: Pick<ImageKeeper, 'refusal' | 'put'> };
  /** Sends an image to a node that listens for it. */
  readonly send: (image: string, to: Receiver) => Promise<void>;
}

/** Where an image of a job can be kept. */
export interface ImagePlace {
  /** As the registry calls it. */
  readonly name: string;
  /** Brings it there, whole and checked. @throws where it could not be brought; it may also be refused at the end */
  give(image: string, digest: string): Promise<Refusal | undefined>;
}

/** A keeper reads every byte of a large image before it answers. */
const keepMs = 120_000;

/** Finds places for images away from this node. */
export class ImagePlaces {
  readonly #options: ImagePlacesOptions;

  constructor(options: ImagePlacesOptions) {
    this.#options = options;
  }

  /** The first that will have it, those that are least likely to die with this node first. */
  async find(name: AttemptName, traits: JobTraits): Promise<ImagePlace | Refusal> {
    const { shared, nodes, node, place, asker } = this.#options;
    if (shared !== undefined) {
      const { folder, keeper } = shared;
      return (
        keeper.refusal(traits.rss) ?? {
          name: folder,
          give: async (image, digest) => {
            await keeper.put(name, digest, image);
            return undefined;
          },
        }
      );
    }
    const candidates = (await nodes.list())
      .filter((each) => each.name !== node && each.state === 'up' && each.launchers.includes('criu'))
      .map((each) => ({ each, order: (each.place === place ? 1 : 0) + Math.random() }))
      .sort((a, b) => a.order - b.order)
      .map(({ each }): NodeInfo => each);
    const reasons: string[] = [];
    for (const { name: other } of candidates) {
      const answer = await asker
        .askJson(other, { type: 'receive', ...name, from: node, purpose: 'keep', traits })
        .catch(refusalOf);
      if (!isRefusal(answer)) return this.#at(other, name, answer);
      reasons.push(answer.refused);
    }
    if (reasons.length > 0) return { refused: `no other node can keep it: ${reasons.join('; ')}` };
    return {
      refused: 'there is no other node that could keep it',
      hint: 'images are kept at another node that is up and offers the launcher criu: omx nodes shows them',
    };
  }

  #at(node: string, name: AttemptName, to: Receiver): ImagePlace {
    const { asker, send } = this.#options;
    return {
      name: node,
      give: async (image, digest) => {
        await send(image, to);
        const kept = await asker.askJson(node, { type: 'keep', ...name, digest }, keepMs);
        return isRefusal(kept) ? kept : undefined;
      },
    };
  }
}
