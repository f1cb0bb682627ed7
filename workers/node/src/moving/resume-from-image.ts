import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

import type { Job } from '@omx/core';
import {
  checkDigest,
  type CriuProgram,
  type EndedEvent,
  isReleased,
  readStatus,
  restoreFolder,
  type Shepherd,
} from '@omx/launch';
import type { BatchStore, ImageStore, JobStore, StoredImage } from '@omx/queue';
import type { Logger } from 'pino';

import type { Attempt, Attempts } from '../attempt.ts';
import type { BatchRuntime } from '../batch-cache.ts';
import { writeNote } from '../capsule-jobs.ts';
import { jobFolder } from '../job-folders.ts';
import type { Starter } from '../starter.ts';
import type { ImageFetcher } from './fetch.ts';
import type { ImageDropper } from './image-dropper.ts';
import { refusalOf } from './refusals.ts';
import { thawAttempt, type WaitingCopy } from './thaw-attempt.ts';

interface ResumerOptions {
  readonly nodeDir: string;
  /** This node's name. */
  readonly node: string;
  readonly shepherd: Pick<Shepherd, 'start' | 'acknowledge'>;
  readonly starter: Pick<Starter, 'request'>;
  readonly batches: Pick<BatchStore, 'addNote'>;
  readonly jobs: Pick<JobStore, 'history'>;
  readonly images: Pick<ImageStore, 'get'>;
  readonly fetcher: ImageFetcher;
  readonly dropper: ImageDropper;
  readonly criu: () => Promise<CriuProgram>;
  readonly log: Logger;
}

/** What the executor does with an attempt that began from an image, or did not. */
export interface Starts {
  copyStarted(attempt: Attempt, copy: WaitingCopy, end?: EndedEvent): void;
  startAnew(attempt: Attempt): Promise<void>;
  hearEnd(attempt: Attempt, end: EndedEvent): void;
}

/**
 * Starts an attempt of a job whose earlier attempt was lost with its node from the image that was kept of it, in the place
 * of the program's beginning.
 *
 * While it does so there is `resuming/KEY` in the node's state folder. What a worker that died meanwhile leaves is a copy
 * that kills itself and no status file: the next worker gives the job back (`wasResuming`), and nothing is counted.
 */
export class Resumer {
  readonly #options: ResumerOptions;
  readonly #tried = new WeakSet<Attempt>();

  constructor(options: ResumerOptions) {
    this.#options = options;
  }

  /**
   * @returns whether the attempt goes on from an image, for all that is known now. Where that turns out to be impossible, a
   * note says why, and it starts from the beginning
   */
  async takes(runtime: BatchRuntime, attempt: Attempt, starts: Starts): Promise<boolean> {
    // Once it could not, it cannot.
    if (attempt.number < 2 || this.#tried.has(attempt)) return false;
    if ((await runtime.launcher()).name !== 'criu') return false;
    const image = await this.#imageFor(runtime, attempt);
    if (image === undefined) return false;
    this.#tried.add(attempt);
    this.#begin(runtime, attempt, image, starts).catch((error: unknown) =>
      this.#options.log.error({ err: error, job: attempt.key }, 'a job could not be started'),
    );
    return true;
  }

  /** One that is there and must not be used goes. */
  async #imageFor(runtime: BatchRuntime, attempt: Attempt): Promise<StoredImage | undefined> {
    const { images, jobs, dropper } = this.#options;
    const image = await images.get(attempt.batch, attempt.ordinal);
    if (image === undefined || image.attempt >= attempt.number) return undefined;
    const history = await jobs.history(runtime.batch, attempt.ordinal, attempt.number);
    const earlier = history.map(({ job }) => job);
    if (isContinued(attempt.snapshot.job, earlier, image)) return image;
    await dropper.drop(attempt, image);
    return undefined;
  }

  /**
   * An earlier worker may have died while it made the attempt's copy. Then the copy kills itself, and is made again; an end
   * of the job's own counts.
   */
  async adopt(attempt: Attempt, starts: Starts): Promise<void> {
    const { nodeDir, shepherd } = this.#options;
    const place = resumingFolder(nodeDir, attempt.key);
    if (!existsSync(place) || (attempt.pid !== undefined && (await isReleased(attempt.pid)))) return;
    attempt.hears = (event) => {
      if (event.type === 'started') return;
      delete attempt.hears;
      rmSync(place, { recursive: true, force: true });
      if (event.type === 'ended' && readStatus(jobFolder(nodeDir, attempt)) !== undefined)
        return starts.hearEnd(attempt, event);
      shepherd.acknowledge([attempt.key], { removeOutput: false });
      starts
        .startAnew(attempt)
        .catch((error: unknown) =>
          this.#options.log.error({ err: error, job: attempt.key }, 'a job could not be started'),
        );
    };
  }

  /** Removes what was left of all others. */
  removeOthers(attempts: Pick<Attempts, 'get'>): void {
    const top = join(this.#options.nodeDir, 'resuming');
    for (const key of existsSync(top) ? readdirSync(top) : [])
      if (attempts.get(key)?.hears === undefined) rmSync(join(top, key), { recursive: true, force: true });
  }

  async #begin(runtime: BatchRuntime, attempt: Attempt, image: StoredImage, starts: Starts): Promise<void> {
    const { nodeDir, node, batches, log } = this.#options;
    const place = resumingFolder(nodeDir, attempt.key);
    let note: string | undefined;
    const stop = new AbortController();
    attempt.inHand = 'thaw';
    attempt.stopWaiting = () => stop.abort();
    try {
      rmSync(place, { recursive: true, force: true });
      mkdirSync(place, { recursive: true, mode: 0o700 });
      const copy = await this.#copy(runtime, attempt, image, place, stop.signal);
      if (copy !== undefined) {
        starts.copyStarted(attempt, copy, await copy.go());
        note = `goes on at ${node} from the image made at ${new Date(image.at).toISOString()}`;
      }
    } catch (error) {
      const { refused, hint } = refusalOf(error);
      if (!stop.signal.aborted) log.warn({ err: error, job: attempt.key }, 'a job could not go on from its image');
      if (!stop.signal.aborted)
        note = `starts from the beginning at ${node}: ${refused}${hint === undefined ? '' : `; ${hint}`}`;
    }
    delete attempt.inHand;
    delete attempt.stopWaiting;
    rmSync(place, { recursive: true, force: true });
    if (attempt.phase === 'starting') await starts.startAnew(attempt);
    if (note !== undefined && isWanted(attempt)) await batches.addNote(attempt.batch, `${attempt.key} ${note}`);
  }

  /** Makes the copy, unless the job is not wanted here any more. */
  async #copy(
    runtime: BatchRuntime,
    attempt: Attempt,
    image: StoredImage,
    place: string,
    signal: AbortSignal,
  ): Promise<WaitingCopy | undefined> {
    const { nodeDir, fetcher, shepherd, starter } = this.#options;
    const criu = await this.#options.criu();
    const files = await fetcher.fetch(attempt, image, join(place, 'arrived'), signal);
    checkDigest(files, image.digest);
    const folder = jobFolder(nodeDir, attempt);
    // With the output files as they were: what was written after the image was made is written again.
    mkdirSync(dirname(folder), { recursive: true, mode: 0o700 });
    await restoreFolder(files, folder);
    const request = await starter.request(runtime, attempt, { ranMs: 0 });
    if (!isWanted(attempt)) return undefined;
    const copy = await thawAttempt({
      ...{ shepherd, criu, attempt, request, image: files, folder, log: join(place, 'log') },
    });
    if (!isWanted(attempt)) {
      await copy.abort();
      return undefined;
    }
    writeNote(nodeDir, attempt, { shape: copy.shape, earlier: copy.earlier });
    return copy;
  }
}

/** Until its copy is let go it may have been cancelled, or have become somebody else's. */
function isWanted(attempt: Attempt): boolean {
  return attempt.cancelledBy === undefined && attempt.fenced !== true;
}

function resumingFolder(nodeDir: string, key: string): string {
  return join(nodeDir, 'resuming', key);
}

/** Whether the job goes on with what it did when the image was made: since then it was only lost or given back. */
export function isContinued(job: Job, earlier: readonly Job[], image: StoredImage): boolean {
  const since = earlier.filter(({ attempt }) => attempt >= image.attempt);
  const areLost = since.every((each) => each.status === 'ended' && each.outcome.kind === 'lost');
  // A rerun begins anew, and begins to count crashes anew.
  return areLost && since.length <= job.crashes;
}
