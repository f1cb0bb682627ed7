import { rmSync } from 'node:fs';
import { join } from 'node:path';

import { type CapsuleJob, checkpoint, type CriuProgram, imageDigest, type Shepherd } from '@omx/launch';
import {
  type AttemptName,
  type BatchStore,
  type Checkpointed,
  type CheckpointRequest,
  type ImageStore,
  isRefusal,
  type JobStore,
  type JobTraits,
  type MoveLog,
  queueClock,
  type Refusal,
  type StoredImage,
} from '@omx/queue';
import type { Logger } from 'pino';

import type { Attempt, Attempts } from '../attempt.ts';
import type { BatchCache } from '../batch-cache.ts';
import type { Executor } from '../executor.ts';
import { childrenAwayReason } from './children/obstacle.ts';
import { freezing } from './freezing.ts';
import type { ImageDropper } from './image-dropper.ts';
import type { ImagePlaces } from './image-places.ts';
import { busyReason, refusalOf } from './refusals.ts';
import { undisturbed } from './undisturbed.ts';

interface CheckpointerOptions {
  readonly nodeDir: string;
  /** This node's name. */
  readonly node: string;
  readonly attempts: Attempts;
  readonly executor: Pick<Executor, 'hearEnd' | 'lose'>;
  readonly cache: BatchCache;
  readonly batches: Pick<BatchStore, 'addNote'>;
  readonly jobs: JobStore;
  readonly images: ImageStore;
  readonly dropper: ImageDropper;
  readonly moveLog: Pick<MoveLog, 'append'>;
  readonly shepherd: Pick<Shepherd, 'suspended' | 'suspensions'>;
  readonly criu: () => Promise<CriuProgram>;
  readonly capsuleJob: (attempt: Attempt) => CapsuleJob | Promise<CapsuleJob>;
  readonly traits: (attempt: Attempt) => Promise<JobTraits>;
  readonly places: ImagePlaces;
  readonly log: Logger;
}

/** An image is made so early at the earliest, as part of its interval: so that jobs started together are not frozen together. */
const earliest = 0.5;

/** Keeps images of this node's running jobs away from it: when a user asks, and by the clock. */
export class Checkpointer {
  readonly #options: CheckpointerOptions;
  /** Of images that are being made. */
  readonly #folder: string;
  /** When the next image of an attempt is due, by `performance.now`. */
  readonly #due = new WeakMap<Attempt, number>();
  readonly #underWay = new Set<Attempt>();
  /** Why the last image of an attempt could not be made, which is said once. */
  readonly #said = new WeakMap<Attempt, string>();

  constructor(options: CheckpointerOptions) {
    this.#options = options;
    this.#folder = join(options.nodeDir, 'checkpoints');
    // An earlier worker may have died over one.
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Answers `checkpoint`. */
  async checkpoint({ batch, ordinal, attempt: number }: CheckpointRequest): Promise<Checkpointed | Refusal> {
    const attempt = this.#options.attempts
      .ofBatch(batch)
      .find((each) => each.ordinal === ordinal && each.number === number);
    if (attempt === undefined) return { refused: `it is not at node ${this.#options.node} any more` };
    const made = await this.#try(attempt);
    if (isRefusal(made)) return made;
    await this.#options.moveLog.append(batch, {
      did: 'checkpointed',
      ...{ ordinal, attempt: number, at: queueClock.now(), node: this.#options.node },
      ...{ keeper: made.node, pauseMs: made.pauseMs, bytes: made.bytes },
    });
    return made;
  }

  /** Makes the images that are due, one after another. To be called again and again. */
  async makeDue(): Promise<void> {
    for (const attempt of this.#options.attempts.all()) {
      if (attempt.phase !== 'running' || attempt.launcher !== 'criu' || attempt.paused === true) continue;
      // Somebody else is at it, perhaps for an image that its user has asked for.
      if (attempt.inHand !== undefined) continue;
      const runtime = await this.#options.cache.get(attempt.batch);
      const everyMs = runtime?.specOf(attempt.ordinal).checkpointMs;
      if (everyMs === undefined) continue;
      const now = performance.now();
      const due = this.#due.get(attempt) ?? now + everyMs * (earliest + Math.random() * (1 - earliest));
      this.#due.set(attempt, due);
      if (now < due) continue;
      const made = await this.#try(attempt);
      this.#due.set(attempt, Math.max(due + everyMs, performance.now()));
      if (isRefusal(made)) await this.#say(attempt, made);
    }
  }

  async #say(attempt: Attempt, { refused }: Refusal): Promise<void> {
    if (attempt.phase !== 'running' || this.#said.get(attempt) === refused) return;
    this.#said.set(attempt, refused);
    await this.#options.batches.addNote(attempt.batch, `${attempt.key}: no image of it is kept: ${refused}`);
  }

  async #try(attempt: Attempt): Promise<Checkpointed | Refusal> {
    const obstacle = this.#underWay.has(attempt) ? beingCopied : obstacleOf(attempt);
    if (obstacle !== undefined) return obstacle;
    const image = join(this.#folder, attempt.key);
    this.#underWay.add(attempt);
    try {
      return await this.#make(attempt, image);
    } catch (error) {
      this.#options.log.warn({ err: error, job: attempt.key }, 'no image of a job could be made; it goes on');
      return refusalOf(error);
    } finally {
      this.#underWay.delete(attempt);
      rmSync(image, { recursive: true, force: true });
    }
  }

  async #make(attempt: Attempt, image: string): Promise<Checkpointed | Refusal> {
    const { criu, capsuleJob, traits, places, node, executor } = this.#options;
    const name: AttemptName = { batch: attempt.batch, ordinal: attempt.ordinal, attempt: attempt.number };
    const place = await places.find(name, await traits(attempt));
    if ('refused' in place) return place;
    const options = { criu: await criu(), job: await capsuleJob(attempt), image };
    const obstacle = obstacleOf(attempt);
    if (obstacle !== undefined) return obstacle;
    const requireCalm = undisturbed(this.#options.shepherd, attempt.key);
    attempt.inHand = 'image';
    // While the image travels the job is free, to be moved for example; then this image is not needed.
    const made = freezing(attempt, executor, async () => checkpoint(options));
    const { manifest, pauseMs } = await made.finally(() => delete attempt.inHand);
    requireCalm();
    const digest = imageDigest(image);
    const refusal = await place.give(image, digest);
    if (refusal !== undefined) return refusal;
    const bytes = manifest.files.reduce((sum, { size }) => sum + size, 0);
    const isOurs = await this.#register(attempt, {
      ...{ node: place.name, attempt: attempt.number, digest, bytes },
      at: queueClock.now(),
    });
    if (!isOurs) return { refused: `it is not at node ${node} any more` };
    return { node: place.name, pauseMs: Math.round(pauseMs), bytes };
  }

  /**
   * Puts it into the registry, and sees to it that the one before goes.
   * @returns false where the job is somebody else's by now, or has ended: then the image goes
   */
  async #register(attempt: Attempt, image: StoredImage): Promise<boolean> {
    const { images, dropper } = this.#options;
    const { batch, ordinal } = attempt;
    if (!(await this.#isOurs(attempt))) {
      await dropper.remove(attempt, image);
      return false;
    }
    const older = await images.get(batch, ordinal);
    await images.put(batch, ordinal, image);
    // Its end may have been written between the two, by whoever then found no image to remove.
    if (!(await this.#isOurs(attempt))) {
      await dropper.drop(attempt, image);
      return false;
    }
    if (older !== undefined) await dropper.remove(attempt, older);
    return true;
  }

  async #isOurs(attempt: Attempt): Promise<boolean> {
    const runtime = await this.#options.cache.get(attempt.batch);
    if (runtime === undefined) return false;
    const [snapshot] = await this.#options.jobs.read(runtime.batch, [attempt.ordinal]);
    const job = snapshot?.job;
    if (job === undefined || job.attempt !== attempt.number) return false;
    // A start that is not on record yet.
    if (job.status === 'leased') return job.node === runtime.nodeNumber;
    return job.status !== 'ended' && 'node' in job && job.node === runtime.nodeNumber;
  }
}

const beingCopied: Refusal = { refused: 'an image of it is being made just now', hint: 'ask again when that is done' };

function obstacleOf(attempt: Attempt): Refusal | undefined {
  if (attempt.launcher !== 'criu') {
    return {
      refused: `it runs under ${attempt.launcher}, which makes no images`,
      hint: 'start it with --launcher criu',
    };
  }
  if (attempt.phase !== 'running') return { refused: 'it is not running' };
  const children = childrenAwayReason(attempt);
  if (children !== undefined) return { refused: children, hint: 'ask again when they have ended' };
  if (attempt.inHand === undefined) return undefined;
  return { refused: busyReason(attempt.inHand), hint: 'ask again when that is done' };
}
