import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';

import { capsuleShape, checkImage, type ImageManifest } from '@omx/launch';

import type { Attempt } from '../attempt.ts';
import { jobFolder, removeJobFolder } from '../job-folders.ts';
import type { ArrivalOptions } from './arrival-options.ts';
import type { Arrival } from './arrival-state.ts';
import { bringFolder, layOut, timeLeft } from './lay-out.ts';
import { prepareAttempt, type PreparedAttempt, thawAttempt, type WaitingCopy } from './thaw-attempt.ts';

type Options = Pick<ArrivalOptions, 'nodeDir' | 'shepherd' | 'criu' | 'request' | 'log'>;

/** Makes the copies of jobs that arrive. What needs no image is done while that is on its way: the job stands still for the rest. */
export class ArrivingCopies {
  readonly #options: Options;

  constructor(options: Options) {
    this.#options = options;
  }

  /** Begins to make the capsule, if the job's is one as this worker makes them. Should that fail, `make` begins anew. */
  prepare(arrival: Arrival, userNamespace: boolean): void {
    const { attempt } = arrival;
    const shape = capsuleShape();
    if (attempt === undefined || shape.userNamespace !== userNamespace) return;
    arrival.prepared = this.#prepare(arrival, attempt).catch((error: unknown) => {
      this.#options.log.warn({ err: error, job: attempt.key }, 'no capsule could be made beforehand');
      return undefined;
    });
  }

  /**
   * The copy of what has arrived as a whole, which waits.
   * @param checked what `checkImage` said of it a moment ago
   */
  async make(arrival: Arrival, checked?: ImageManifest): Promise<WaitingCopy> {
    const { nodeDir, shepherd, request } = this.#options;
    const { attempt, dir } = arrival;
    if (attempt === undefined) throw new Error('an image that is kept is not thawed');
    const [criu, image] = [await this.#options.criu(), join(dir, 'image')];
    const manifest = checked ?? (await checkImage(image, criu));
    const prepared = await arrival.prepared;
    if (prepared !== undefined && isDeepStrictEqual(prepared.shape, manifest.shape)) {
      bringFolder(nodeDir, attempt, join(dir, 'folder'));
      delete arrival.prepared;
      return prepared.thaw(manifest);
    }
    await this.drop(arrival);
    const start = await layOut(nodeDir, attempt, join(dir, 'folder'), request);
    return thawAttempt({
      ...{ shepherd, criu, attempt, request: start, image, checked: manifest },
      ...{ folder: jobFolder(nodeDir, attempt), log: logOf(dir) },
    });
  }

  /** Ends the capsule that was made beforehand and is not used. */
  async drop(arrival: Arrival): Promise<void> {
    const { prepared } = arrival;
    delete arrival.prepared;
    await (await prepared)?.abort();
  }

  async #prepare(arrival: Arrival, attempt: Attempt): Promise<PreparedAttempt> {
    const { nodeDir, shepherd } = this.#options;
    const { dir } = arrival;
    const [criu, start] = [await this.#options.criu(), await this.#options.request(attempt)];
    if (arrival.isOver === true) throw new Error('it was dropped');
    const prepared = await prepareAttempt({
      ...{ shepherd, criu, attempt, shape: capsuleShape(), image: join(dir, 'image') },
      ...{ folder: jobFolder(nodeDir, attempt), log: logOf(dir) },
      request: { ...start, timeMs: timeLeft(start.timeMs, attempt.snapshot.job) },
    });
    try {
      // The shepherd has opened what it wanted of the empty one, and the job's own is to be put in its place.
      removeJobFolder(nodeDir, attempt);
    } catch (error) {
      await prepared.abort();
      throw error;
    }
    return prepared;
  }
}

/** Beside that of criu's page server; no part of an image. */
function logOf(dir: string): string {
  return join(dir, 'image', 'log', 'thaw');
}
