import { constants } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';

import { OmxError, type Usage } from '@omx/core';
import {
  type CapsuleShape,
  checkImage,
  type EndedEvent,
  type ImageManifest,
  prepareCapsule,
  type PrepareOptions,
  type Shepherd,
  type ShepherdEvent,
  type StartRequest,
} from '@omx/launch';

import type { Attempt } from '../attempt.ts';

interface PrepareAttemptOptions extends Omit<PrepareOptions, 'start'> {
  readonly shepherd: Pick<Shepherd, 'start' | 'acknowledge'>;
  readonly attempt: Attempt;
  /** What would start the attempt from the beginning: the copy gets its key, environment, output files and limits. */
  readonly request: StartRequest;
}

/** The shepherd tells of an end at once. */
const endMs = 2000;

/** A copy of an attempt that waits at its gate. Exactly one of `go` and `abort` must follow. */
export interface WaitingCopy {
  readonly shape: CapsuleShape;
  /** Counted before. */
  readonly earlier: Usage;
  /** Of the capsule, when the shepherd started it. */
  readonly pid: number;
  readonly startedAt: number;
  /**
   * Lets it run; from then on the executor hears of it again.
   * @returns its end, where that has come already
   * @throws SLIPPED where the copy is gone
   */
  go(): Promise<EndedEvent | undefined>;
  /** Kills it; the shepherd forgets the key, and may start it again. */
  abort(): Promise<void>;
}

/** The capsule for a copy of an attempt, before its image is there. Exactly one of `thaw` and `abort` must follow. */
export interface PreparedAttempt {
  readonly shape: CapsuleShape;
  /**
   * @param manifest of the image, which was checked a moment ago
   * @throws as `PreparedCapsule.thaw`; the shepherd has forgotten the key then
   */
  thaw(manifest: ImageManifest): Promise<WaitingCopy>;
  /** Ends it; the shepherd forgets the key, and may start it again. */
  abort(): Promise<void>;
}

/**
 * Makes a capsule through the shepherd under the attempt's key. From then on until its copy is let go, the executor does not
 * hear of it.
 * @throws as `prepareCapsule`; the shepherd has forgotten the key then
 */
export async function prepareAttempt(options: PrepareAttemptOptions): Promise<PreparedAttempt> {
  const { shepherd, attempt, request, ...rest } = options;
  const told = new Told();
  attempt.hears = (event) => told.hear(event);
  attempt.isCopy = true;
  const forget = (): void => {
    delete attempt.hears;
    delete attempt.isCopy;
    // Its output files are the job's folder, which whoever called removes.
    if (told.isOver) shepherd.acknowledge([attempt.key], { removeOutput: false });
  };
  /** @throws what `work` does, once it is forgotten */
  const orForget = async <T>(work: Promise<T>): Promise<T> =>
    work.catch((error: unknown) => {
      forget();
      throw error;
    });
  const prepared = await orForget(
    prepareCapsule({
      ...rest,
      start: async ({ argv, env }) => {
        shepherd.start([{ ...request, argv, extraEnv: [...request.extraEnv, ...env] }]);
        return { pid: (await told.started).pid, ended: told.ended };
      },
    }),
  );
  const { pid, startedAt } = await told.started;
  return {
    shape: prepared.shape,
    thaw: async (manifest) => {
      const thawed = await orForget(prepared.thaw(manifest));
      return {
        shape: thawed.job.shape,
        earlier: thawed.job.earlier,
        pid,
        startedAt,
        go: async () => {
          let isFree: boolean;
          try {
            isFree = await thawed.go();
          } catch (error) {
            await thawed.abort();
            await told.ended;
            forget();
            throw error;
          }
          if (!isFree) await Promise.race([told.ended, delay(endMs, undefined, { ref: false })]);
          delete attempt.hears;
          return isFree ? told.end : notItsOwn(told.end);
        },
        abort: async () => {
          await thawed.abort();
          forget();
        },
      };
    },
    abort: async () => {
      await prepared.abort();
      forget();
    },
  };
}

/**
 * The same, and its copy, from an image that is there.
 * @throws as `thaw`; the shepherd has forgotten the key then
 */
export async function thawAttempt({
  checked,
  ...options
}: Omit<PrepareAttemptOptions, 'shape'> & {
  /** What `checkImage` has just said of this image. @defaultValue it is checked now */
  readonly checked?: ImageManifest | undefined;
}): Promise<WaitingCopy> {
  const manifest = checked ?? (await checkImage(options.image, options.criu));
  const prepared = await prepareAttempt({ ...options, shape: manifest.shape });
  return prepared.thaw(manifest);
}

/** Where criu was killed as it let the copy go, the copy died with it: the attempt is lost, by no fault of the program. */
function notItsOwn(end: EndedEvent | undefined): EndedEvent | undefined {
  return end?.signal === constants.signals.SIGKILL && end.reason === 'none' ? { ...end, lost: true } : end;
}

/** What the shepherd has told so far of a process that somebody other than the executor hears of. */
export class Told {
  readonly started: Promise<{ readonly pid: number; readonly startedAt: number }>;
  readonly ended: Promise<void>;
  end: EndedEvent | undefined;
  isOver = false;
  #start: (event: { pid: number; startedAt: number }) => void = () => {};
  #refuse: (error: Error) => void = () => {};
  #over: () => void = () => {};

  constructor() {
    this.started = new Promise((resolve, reject) => {
      this.#start = resolve;
      this.#refuse = reject;
    });
    this.ended = new Promise((resolve) => {
      this.#over = resolve;
    });
  }

  hear(event: ShepherdEvent): void {
    if (event.type === 'started') return this.#start(event);
    this.isOver = true;
    if (event.type === 'ended') this.end = event;
    else this.#refuse(refused(event.stage, event.errno));
    this.#over();
  }
}

function refused(stage: string, errno: string): OmxError {
  return new OmxError(`the copy could not be started: ${errno} at the stage ${stage}`, { code: 'CANNOT_THAW' });
}
