import {
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  statfsSync,
  statSync,
  utimesSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

import { attemptId, type BatchId, formatBytes, indexOf, isOmxError } from '@omx/core';
import { checkDigest, copyFolder, readManifest, syncFolder, verifyImage } from '@omx/launch';
import {
  type AttemptName,
  type Done,
  type DropRequest,
  type FetchRequest,
  type ImageStore,
  type JobStore,
  type KeepRequest,
  type Receiver,
  type Refusal,
  type StoredImage,
} from '@omx/queue';
import type { Logger } from 'pino';

import type { BatchCache } from '../batch-cache.ts';
import { arrivingFolder } from './arrival-state.ts';

interface ImageKeeperOptions {
  readonly nodeDir: string;
  /** What the registry calls the place: this node's name, or the path of a folder that all nodes see. */
  readonly node: string;
  /** @defaultValue `images` in `nodeDir` */
  readonly folder?: string;
  readonly cache: Pick<BatchCache, 'get'>;
  readonly jobs: Pick<JobStore, 'read'>;
  readonly images: ImageStore;
  /** Sends a folder to a node that listens for it. */
  readonly send: (image: string, to: Receiver) => Promise<void>;
  readonly log: Logger;
}

/** Part of the disk that stays free whatever is to be kept. */
const freePart = 0.1;
/** What has just come is not registered yet: the sender does that once it knows that it is here. */
const newMs = 300_000;

/**
 * The node's side that keeps images of other nodes' running jobs, so that these can go on should their node die.
 *
 * How an image comes from node A, which has the job, to node K, which keeps it:
 *
 * ```
 *  A                              K
 *  receive (purpose keep) ─────►  arrivals ask `refusal(traits.rss)`; refuse, or listen and say where
 *  send image ════════════════►   arrivals unpack into `arriving/KEY.keep/image` (with the job's folder as `image/folder`) and
 *                                 leave it there; what is still there after some minutes is removed
 *  keep(digest) ───────────────►  `keep` checks every file and renames it to `images/B/I/A.DIGEST`; or refuses
 *  registry: put
 *  drop (the older image) ─────►  `drop`, at whichever node has that
 * ```
 *
 * The registry (`ImageStore`) decides what is kept: what it names is never removed, everything else is, by `drop` at once
 * and by `sweep` after a crash of anyone.
 */
export class ImageKeeper {
  readonly #options: ImageKeeperOptions;
  readonly #folder: string;
  /** Folders that are being sent, and how often. */
  readonly #inUse = new Map<string, number>();

  constructor(options: ImageKeeperOptions) {
    this.#options = options;
    this.#folder = options.folder ?? join(options.nodeDir, 'images');
  }

  /** Why an image of about so many bytes cannot be kept here. */
  refusal(bytes: number): Refusal | undefined {
    const { node, nodeDir, folder = nodeDir } = this.#options;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const { bavail, blocks, bsize } = statfsSync(folder);
    if (bavail * bsize - bytes >= blocks * bsize * freePart) return undefined;
    return {
      refused: `${node} has ${formatBytes(bavail * bsize)} free on the disk for images, and ${formatBytes(bytes)} more would leave less than a tenth of it`,
      hint: `free some space on the disk of ${folder}`,
    };
  }

  /** Answers `keep`: what came for this attempt is complete; checks it and puts it with the others. */
  async keep({ batch, ordinal, attempt, digest }: KeepRequest): Promise<Done | Refusal> {
    const runtime = await this.#options.cache.get(batch);
    if (runtime === undefined) return { refused: `there is no batch ${batch}` };
    const key = attemptId(batch, indexOf(runtime.batch.spec.jobs, ordinal), attempt);
    const arrived = arrivingFolder(this.#options.nodeDir, key, 'keep');
    try {
      const image = join(arrived, 'image');
      checkDigest(image, digest);
      await verifyImage(image, readManifest(image));
      const full = this.refusal(0);
      if (full !== undefined) return full;
      const kept = this.#path({ batch, ordinal, attempt }, digest);
      mkdirSync(dirname(kept), { recursive: true, mode: 0o700 });
      rmSync(kept, { recursive: true, force: true });
      renameSync(image, kept);
      // Its age counts from now on.
      utimesSync(kept, new Date(), new Date());
      return { done: true };
    } catch (error) {
      if (!isOmxError(error)) throw error;
      return { refused: error.message };
    } finally {
      rmSync(arrived, { recursive: true, force: true });
    }
  }

  /**
   * Copies an image of this node's to here.
   * @throws Error where it cannot be written; nothing of it is found then
   */
  async put(name: AttemptName, digest: string, image: string): Promise<void> {
    const path = this.#path(name, digest);
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const fresh = `${path}.new`;
    rmSync(fresh, { recursive: true, force: true });
    await copyFolder(image, fresh);
    await syncFolder(fresh);
    utimesSync(fresh, new Date(), new Date());
    renameSync(fresh, path);
  }

  /** Answers `fetch`: sends an image to where the asker listens. */
  async fetch({ digest, to, ...name }: FetchRequest): Promise<Done | Refusal> {
    const image = this.find(name, digest);
    if (image === undefined) return { refused: `node ${this.#options.node} does not have this image` };
    this.#use(image, 1);
    try {
      await this.#options.send(image, to);
      return { done: true };
    } catch (error) {
      return { refused: `it could not be sent: ${error instanceof Error ? error.message : String(error)}` };
    } finally {
      this.#use(image, -1);
    }
  }

  /** Answers `drop`: removes what is kept of this attempt and earlier ones of the job, as far as it is not registered. */
  async drop({ batch, ordinal, attempt }: DropRequest): Promise<Done> {
    const registered = await this.#options.images.get(batch, ordinal);
    for (const image of this.#imagesOf(batch, ordinal))
      if (image.attempt <= attempt) this.#removeUnless(image, registered);
    return { done: true };
  }

  /**
   * Removes everything that is not registered, but for what came only just now; and from the registry what is over, or not
   * here any more. At start, and every few minutes.
   */
  async sweep(): Promise<void> {
    for (const batch of foldersIn(this.#folder) as BatchId[]) await this.#sweepBatch(batch);
  }

  /** Folder of an image that is kept here. */
  find(name: AttemptName, digest: string): string | undefined {
    const path = this.#path(name, digest);
    return existsSync(path) ? path : undefined;
  }

  async #sweepBatch(batch: BatchId): Promise<void> {
    const { cache, jobs, images, node, log } = this.#options;
    const runtime = await cache.get(batch);
    const ordinals = foldersIn(join(this.#folder, batch)).map(Number);
    const registry = runtime === undefined ? new Map<number, StoredImage>() : await images.all(runtime.batch);
    const snapshots = runtime === undefined ? [] : await jobs.read(runtime.batch, ordinals);
    for (const [at, ordinal] of ordinals.entries()) {
      let registered = registry.get(ordinal);
      if (registered !== undefined && snapshots[at]?.job.status === 'ended') {
        await images.remove(batch, ordinal, registered);
        registered = undefined;
      }
      for (const image of this.#imagesOf(batch, ordinal)) {
        const isNew = Date.now() - statSync(image.path).mtimeMs < newMs;
        if (isNew && runtime !== undefined && snapshots[at]?.job.status !== 'ended') continue;
        if (this.#removeUnless(image, registered))
          log.info({ image: image.path }, 'removed an image that nobody needs');
      }
    }
    for (const [ordinal, registered] of registry) {
      if (registered.node !== node || this.find({ batch, ordinal, attempt: registered.attempt }, registered.digest))
        continue;
      await images.remove(batch, ordinal, registered);
    }
  }

  #removeUnless(image: KeptImage, registered: StoredImage | undefined): boolean {
    const isKept =
      registered?.node === this.#options.node &&
      registered.attempt === image.attempt &&
      registered.digest.startsWith(image.digest);
    if (isKept || this.#inUse.has(image.path)) return false;
    rmSync(image.path, { recursive: true, force: true });
    removeIfEmpty(join(image.path, '..'));
    removeIfEmpty(join(image.path, '..', '..'));
    return true;
  }

  #use(image: string, more: 1 | -1): void {
    const uses = (this.#inUse.get(image) ?? 0) + more;
    if (uses === 0) this.#inUse.delete(image);
    else this.#inUse.set(image, uses);
  }

  #path({ batch, ordinal, attempt }: AttemptName, digest: string): string {
    return join(this.#folder, batch, String(ordinal), `${attempt}.${digest.slice(0, nameDigits)}`);
  }

  #imagesOf(batch: BatchId, ordinal: number): KeptImage[] {
    const folder = join(this.#folder, batch, String(ordinal));
    return foldersIn(folder).map((name) => {
      const [attempt = '', digest = ''] = name.split('.');
      return { path: join(folder, name), attempt: Number(attempt), digest };
    });
  }
}

/** Whether the registry's word for a place is a folder that all nodes see. */
export function isFolder(place: string): boolean {
  return place.startsWith('/');
}

/** Enough to tell images apart; whoever thaws one compares the whole digest. */
const nameDigits = 16;

interface KeptImage {
  readonly path: string;
  readonly attempt: number;
  /** The first digits. */
  readonly digest: string;
}

function foldersIn(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // There is another one in it.
  }
}
