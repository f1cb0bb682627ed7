import type { NotStartedReason, Outcome } from '@omx/core';
import type { EndedEvent, RefusedEvent } from '@omx/launch';
import { type BatchStore, queueClock } from '@omx/queue';
import type { ResultsPool } from '@omx/worker-results';
import type { Logger } from 'pino';

import type { Attempt, Attempts } from './attempt.ts';
import type { BatchCache } from './batch-cache.ts';
import { capsuleFailure, type CapsuleFailure } from './capsule-end.ts';
import { reportOfEnd } from './end-report.ts';
import { outcomeOfEnd, refusalReason, shortOf } from './ending.ts';
import type { Reporter } from './reporter.ts';

interface AttemptEndsOptions {
  readonly batches: BatchStore;
  readonly cache: BatchCache;
  readonly attempts: Attempts;
  readonly pool: ResultsPool;
  readonly nodeDir: string;
  readonly node: string;
  readonly reporter: Reporter;
  /** The node is short of processes, files, memory or disk. @param everyJob of what every job needs at its start */
  readonly onShortage: (everyJob: boolean) => void;
  readonly log: Logger;
}

/** A node short of processes, files or disk waits so long before it takes work again. */
export const shortageMs = 1000;
/** Whoever asks why jobs wait hears of it so often at most. */
const noteEveryMs = 30_000;

/** What an attempt's end, or that it did not even start, means for its job, on its way to the record. */
export class AttemptEnds {
  readonly #options: AttemptEndsOptions;
  /** When a shortage was last noted, by `performance.now`. */
  #notedAt = Number.NEGATIVE_INFINITY;

  constructor(options: AttemptEndsOptions) {
    this.#options = options;
  }

  /** The attempt's processes are gone for no fault of its own: it is queued again, as when its node dies. */
  lose(attempt: Attempt, at = queueClock.now()): void {
    this.#options.attempts.move(attempt, 'ending');
    this.#options.reporter.report({ attempt, event: { type: 'lose', attempt: attempt.number, at }, offerAt: 0 });
  }

  /** It was claimed and not started; its next attempt has the same number. */
  handBack(attempt: Attempt): void {
    this.#options.attempts.move(attempt, 'ending');
    this.#options.reporter.report({ attempt, event: { type: 'give-back' }, offerAt: -1 });
  }

  /** The shepherd could not start it. */
  refused(attempt: Attempt, event: RefusedEvent): void {
    const reason = refusalReason(event);
    if (event.stage === 'lease') this.giveBack(attempt, 0);
    else if (reason === undefined) {
      this.#options.onShortage(event.stage === 'output' || event.stage === 'fork');
      this.#options.log.warn(
        { job: attempt.key, stage: event.stage, errno: event.errno },
        'the node is short of something; the job goes back',
      );
      this.#noteShortage(attempt, event);
      this.giveBack(attempt, shortageMs);
    } else this.refuse(attempt, reason);
  }

  #noteShortage({ batch }: Attempt, { errno }: RefusedEvent): void {
    const now = performance.now();
    if (now < this.#notedAt + noteEveryMs) return;
    this.#notedAt = now;
    const { batches, node, log } = this.#options;
    batches
      .addNote(batch, `node ${node} is short of ${shortOf(errno) ?? errno} (${errno}); jobs wait there`)
      .catch((error: unknown) => log.error({ err: error }, 'a note could not be written'));
  }

  /** It cannot be started here, and would not be elsewhere. */
  refuse(attempt: Attempt, reason: NotStartedReason): void {
    this.end(attempt, { kind: 'not-started', reason });
  }

  /** It is queued again, uncharged. @param delayMs 0: ahead of others */
  giveBack(attempt: Attempt, delayMs: number): void {
    const at = queueClock.now();
    this.#options.attempts.move(attempt, 'ending');
    this.#options.reporter.report({
      attempt,
      event: { type: 'requeue', attempt: attempt.number, at },
      offerAt: delayMs === 0 ? -1 : at + delayMs,
    });
  }

  ended(attempt: Attempt, event: EndedEvent): void {
    attempt.startedAt ??= event.startedAt;
    if (event.lost === true) {
      this.lose(attempt, event.endedAt);
      return;
    }
    // With `lease` the node was out of touch for too long: the job is queued again here unless others have it already.
    if (event.reason === 'requeue' || event.reason === 'lease') {
      this.giveBack(attempt, 0);
      return;
    }
    const failure = attempt.launcher === 'criu' ? capsuleFailure(this.#options.nodeDir, attempt, event) : undefined;
    if (failure !== undefined) this.#notStarted(attempt, failure, event);
    else this.end(attempt, outcomeOfEnd(event, attempt.cancelledBy, attempt.launcher), event);
  }

  /** The capsule began and its command did not: as if the shepherd had refused it. */
  #notStarted(attempt: Attempt, { errno, words }: CapsuleFailure, { key, endedAt: at }: EndedEvent): void {
    delete attempt.startedAt;
    if (errno !== undefined) {
      this.refused(attempt, { type: 'refused', key, stage: 'exec', errno, at });
      return;
    }
    const { batches, node, log } = this.#options;
    batches
      .addNote(attempt.batch, `${key} on ${node}: no capsule could be made: ${words}; omx doctor there says more`)
      .catch((error: unknown) => log.error({ err: error }, 'a note could not be written'));
    this.refuse(attempt, 'launcher-unavailable');
  }

  /** @param event absent where nothing ran */
  end(attempt: Attempt, outcome: Outcome, event?: EndedEvent): void {
    this.#options.attempts.move(attempt, 'ending');
    this.#report(attempt, outcome, event).catch((error: unknown) =>
      this.#options.log.error({ err: error }, 'the end of a job could not be reported'),
    );
  }

  async #report(attempt: Attempt, outcome: Outcome, event: EndedEvent | undefined): Promise<void> {
    const runtime = await this.#options.cache.get(attempt.batch);
    if (runtime === undefined) return;
    this.#options.reporter.report(await reportOfEnd(this.#options, { runtime, attempt, outcome, event }));
  }
}
