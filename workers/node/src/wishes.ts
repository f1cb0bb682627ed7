import type { BatchId, Job } from '@omx/core';
import type { JobStore } from '@omx/queue';
import type { Logger } from 'pino';

import type { Attempt, Attempts } from './attempt.ts';
import type { BatchCache } from './batch-cache.ts';
import type { Executor } from './executor.ts';
import type { FrozenJobs } from './moving/frozen-jobs.ts';

/**
 * Carries out what users asked of jobs this node holds (cancel, pause, resume). The wish stands in the job's record;
 * the message only says that there is one, so a lost message costs the seconds until the next look.
 */
export class Wishes {
  readonly #options: {
    readonly jobs: JobStore;
    readonly cache: BatchCache;
    readonly attempts: Attempts;
    readonly executor: Executor;
    readonly frozen: FrozenJobs;
    readonly log: Logger;
  };

  constructor(options: {
    readonly jobs: JobStore;
    readonly cache: BatchCache;
    readonly attempts: Attempts;
    readonly executor: Executor;
    readonly frozen: FrozenJobs;
    readonly log: Logger;
  }) {
    this.#options = options;
  }

  async checkAll(): Promise<void> {
    const batches = new Set([...this.#options.attempts.all()].map((attempt) => attempt.batch));
    for (const batch of batches) await this.check(batch, undefined);
  }

  async check(batch: BatchId, graceMs: number | undefined): Promise<void> {
    const held = this.#options.attempts.ofBatch(batch).filter((attempt) => attempt.phase !== 'ending');
    const runtime = held.length === 0 ? undefined : await this.#options.cache.get(batch);
    if (runtime === undefined) return;
    const snapshots = await this.#options.jobs.read(
      runtime.batch,
      held.map((attempt) => attempt.ordinal),
    );
    for (const [at, attempt] of held.entries()) {
      const actual = snapshots[at]?.job;
      if (actual !== undefined) this.#carryOut(attempt, actual, graceMs);
    }
  }

  #carryOut(attempt: Attempt, actual: Attempt['snapshot']['job'], graceMs: number | undefined): void {
    const { executor, log } = this.#options;
    if (attempt.phase === 'arriving') {
      // Its copy may be at the point of being let go: it must not run for a moment where a later attempt does.
      if (actual.attempt !== attempt.number || actual.status === 'ended') this.#options.executor.fence(attempt);
      return;
    }
    // Whoever moves it looks again when that is done. Our own commit gives it to another node in the same attempt; a later
    // attempt is that of others, who had given this node up, and it must not run here for a moment.
    const isLive = actual.status === 'running' || actual.status === 'paused' || actual.status === 'frozen';
    if (attempt.inHand === 'move' && isLive && actual.attempt === attempt.number) return;
    const ours = attempt.snapshot.job;
    const newer =
      actual.attempt !== attempt.number ||
      !('node' in actual) ||
      ('node' in ours && actual.node !== ours.node) ||
      actual.status === 'ended';
    if (newer && this.#options.attempts.get(attempt.key) === attempt && attempt.phase !== 'ending') {
      log.warn({ job: attempt.key }, 'the job belongs to somebody else now: ending it here');
      executor.fence(attempt);
    } else if (actual.wish === 'cancel') executor.cancel(attempt, graceMs);
    else if (attempt.inHand === undefined) this.#halt(attempt, actual);
  }

  /** Whether it stands still, and in what way. */
  #halt(attempt: Attempt, { wish, status }: Job): void {
    const { executor, frozen } = this.#options;
    if (wish !== 'freeze') frozen.unwanted(attempt);
    if (status === 'frozen') this.#haltFrozen(attempt, wish);
    else if (wish === 'freeze') this.#freeze(attempt);
    // It came here, or was let go on, while its user wanted it paused.
    else if (wish === 'pause' && (status === 'running' || status === 'paused')) executor.pause(attempt, true);
    else if (wish === 'none' && status === 'paused') executor.pause(attempt, false);
  }

  #haltFrozen(attempt: Attempt, wish: Job['wish']): void {
    const { executor, frozen } = this.#options;
    if (attempt.phase === 'frozen' && wish === 'none') frozen.resume(attempt);
    else if (attempt.phase === 'running' && wish === 'freeze') this.#freeze(attempt);
    // Its worker died as it was about to freeze it, and it was let go on.
    else if (attempt.phase === 'running')
      executor
        .record(attempt, { type: 'thaw', attempt: attempt.number })
        .catch((error: unknown) => this.#options.log.error({ err: error }, 'a job could not be told to be running'));
  }

  #freeze(attempt: Attempt): void {
    this.#options.frozen
      .freeze(attempt)
      .catch((error: unknown) => this.#options.log.error({ err: error }, 'a job could not be frozen'));
  }
}
