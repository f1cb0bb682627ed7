import { setTimeout as delay } from 'node:timers/promises';

import { isOmxError, OmxError } from '@omx/core';
import {
  type CriuProgram,
  freeze,
  type Frozen,
  imageDigest,
  openSending,
  RunningDigests,
  runningDigestsBytes,
  type Sending,
  type Shepherd,
  type StartRequest,
} from '@omx/launch';
import {
  type AttemptName,
  type BatchStore,
  type JobStore,
  lateAnswer,
  type Migrated,
  type MoveLog,
  type NodeAsker,
  queueClock,
  type Refusal,
  type ThawRequest,
} from '@omx/queue';
import type { Logger } from 'pino';

import type { Attempt, Attempts } from '../attempt.ts';
import type { BatchCache } from '../batch-cache.ts';
import { capsuleJobOf } from '../capsule-jobs.ts';
import { jobFolder, removeJobFolder } from '../job-folders.ts';
import type { Executor } from '../executor.ts';
import { askMover } from './ask-mover.ts';
import { Death } from './death.ts';
import { freezing } from './freezing.ts';
import type { LeavingFolder } from './leaving.ts';
import { childrenAwayReason } from './children/obstacle.ts';
import { busyReason, cannotMove, refusalOf } from './refusals.ts';
import { slowestBytesAMs } from './reception.ts';
import { readTraits } from './traits.ts';
import { undisturbed } from './undisturbed.ts';

export interface DepartureOptions {
  readonly nodeDir: string;
  /** This node's name. */
  readonly node: string;
  readonly attempts: Attempts;
  readonly batches: Pick<BatchStore, 'nodeNumber'>;
  readonly cache: BatchCache;
  readonly jobs: Pick<JobStore, 'read'>;
  readonly asker: Pick<NodeAsker, 'askJson'>;
  readonly moveLog: Pick<MoveLog, 'append'>;
  readonly executor: Pick<Executor, 'record' | 'hearEnd' | 'lose' | 'copyStarted' | 'fence' | 'onRoom'>;
  readonly shepherd: Pick<Shepherd, 'start' | 'acknowledge' | 'suspended' | 'suspensions'>;
  readonly leaving: LeavingFolder;
  readonly criu: () => Promise<CriuProgram>;
  /** Whether the node may run its jobs: what it must not run it must not give away. */
  readonly holdsLease: () => boolean;
  /** What would start the attempt from the beginning; it makes an empty folder for it. */
  readonly request: (attempt: Attempt) => Promise<StartRequest>;
  /** The attempt goes on here; somebody may have wished something of it meanwhile. */
  readonly stays: (attempt: Attempt) => void;
  readonly log: Logger;
}

/** Moves running jobs of this node to others. */
export interface Mover {
  /**
   * Resolves when the job runs at the other node.
   * @throws OmxError with the reason where it stays; it goes on here then
   */
  move(attempt: Attempt, to: string, why: string): Promise<Migrated>;
  /** Why it cannot be moved, as far as that is known before it is tried. */
  obstacle(attempt: Attempt): string | undefined;
}

/** So many at once: more would only make each of them stand still for longer. */
const mostAtOnce = 2;
const answerMs = 20_000;
/** A worker that has taken over at the target has not heard what its predecessor was asked. */
const askAgainMs = 5000;
/** A job stands still for this long at the most, and longer if it is large. */
const holdMs = 120_000;
const sendMs = 30_000;
/** The shepherd tells of the death of the original. */
const deathMs = 15_000;
/** The queue may be away while the job stands still. */
const recordMs = 10_000;
const outOfTouch: Refusal = { refused: 'this node is out of touch with the queue' };

/** The source's side of the hand-over, which the README beside this file describes. */
export class Departures implements Mover {
  readonly #options: DepartureOptions;
  readonly #underWay = new Set<Promise<unknown>>();
  #closed = false;
  #isAbandoned = false;

  constructor(options: DepartureOptions) {
    this.#options = options;
  }

  obstacle(attempt: Attempt): string | undefined {
    const { launcher, phase, inHand } = attempt;
    if (launcher === 'plain') return 'it runs under plain, and nobody moves it; start it with --launcher criu';
    if (launcher === 'mosrun')
      return 'it runs under mosrun, and the cluster’s kernel moves it; omx why tells how to ask for it';
    if (phase === 'frozen') return 'it is frozen; omx resume lets it go on';
    if (phase !== 'running') return phase === 'ending' ? 'it has just ended' : 'it has not started yet';
    if (attempt.paused === true) return 'it is paused; omx resume lets it go on';
    if (attempt.snapshot.job.status !== 'running') return 'it has only just started';
    if (attempt.cancelledBy !== undefined) return 'it is being cancelled';
    if (inHand !== undefined) return `${busyReason(inHand)}; ask again when that is done`;
    const children = childrenAwayReason(attempt);
    if (children !== undefined) return children;
    return this.#closed ? `node ${this.#options.node} is leaving` : undefined;
  }

  async move(attempt: Attempt, to: string, why: string): Promise<Migrated> {
    while (this.#underWay.size >= mostAtOnce) await Promise.race(this.#underWay);
    const obstacle = this.obstacle(attempt);
    if (obstacle !== undefined) throw cannotMove(attempt.key, { refused: obstacle });
    if (to === this.#options.node) throw cannotMove(attempt.key, { refused: `it is at node ${to} already` });
    const work = this.#move(attempt, to, why);
    const quietly = work.catch(() => undefined);
    this.#underWay.add(quietly);
    try {
      return await work;
    } finally {
      this.#underWay.delete(quietly);
    }
  }

  /** Begins no more, and waits for those under way. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#underWay);
  }

  /** The shepherd is gone, and the originals with it: who comes next sees to what was begun. */
  abandon(): void {
    this.#closed = true;
    this.#isAbandoned = true;
  }

  async #move(attempt: Attempt, to: string, why: string): Promise<Migrated> {
    const { node, moveLog, stays, log } = this.#options;
    const { batch, ordinal, number } = attempt;
    const name: AttemptName = { batch, ordinal, attempt: number };
    attempt.inHand = 'move';
    try {
      const { pauseMs, bytes } = await this.#handOver(attempt, name, to, why);
      log.info({ job: attempt.key, to, pauseMs, bytes }, 'a job was moved');
      return { pauseMs, bytes };
    } catch (error) {
      const { refused } = refusalOf(error);
      log.warn({ job: attempt.key, to, reason: refused }, 'a job was not moved');
      await moveLog
        .append(batch, { ordinal, attempt: number, at: queueClock.now(), from: node, to, why, failed: refused })
        .catch(() => undefined);
      throw error;
    } finally {
      delete attempt.inHand;
      if (attempt.phase === 'running' && !this.#isAbandoned) stays(attempt);
    }
  }

  async #handOver(attempt: Attempt, name: AttemptName, to: string, why: string): Promise<Migrated> {
    const { nodeDir, node, asker, leaving, batches, executor } = this.#options;
    const criu = await this.#options.criu();
    const job = capsuleJobOf(nodeDir, attempt);
    const traits = await readTraits(criu, job, attempt.slots);
    const receiver = await askMover(
      asker,
      to,
      { type: 'receive', ...name, from: node, purpose: 'move', traits },
      answerMs,
    );
    const since = performance.now();
    try {
      const number = await batches.nodeNumber(attempt.batch, to);
      const requireCalm = undisturbed(this.#options.shepherd, attempt.key);
      const image = leaving.imageFor(attempt.key, traits.rss);
      const slowestMs = traits.rss / slowestBytesAMs;
      // What can be done before the job stands still.
      const sending = await openSending({
        ...{ to: receiver, image, folder: jobFolder(nodeDir, attempt), timeoutMs: 2 * (sendMs + slowestMs) },
      });
      const isReadHere = receiver.pages === undefined && traits.rss >= runningDigestsBytes;
      const digests = isReadHere ? new RunningDigests(image) : undefined;
      try {
        const frozen = await freezing(attempt, executor, async () =>
          freeze({
            ...{ criu, job, image, digests, timeoutMs: sendMs + slowestMs, holdMs: holdMs + slowestMs },
            written: () => sending.begin(),
            ...(receiver.pages === undefined ? {} : { pages: { host: receiver.host, ...receiver.pages } }),
          }),
        );
        const step = { frozen, sending, image, rss: traits.rss, to, number, why, since, requireCalm };
        const moved = await this.#commit(attempt, name, step).catch(async (error: unknown) => {
          await frozen.keepGoing();
          throw error;
        });
        forgetHere(this.#options, attempt);
        return moved;
      } finally {
        sending.stop();
        digests?.stop();
      }
    } catch (error) {
      if (!this.#isAbandoned)
        await Promise.all([
          askMover(asker, to, { type: 'abort', ...name }, answerMs).catch(() => undefined),
          this.#goesOnHere(attempt),
        ]);
      throw error;
    } finally {
      if (!this.#isAbandoned) leaving.remove(attempt.key);
    }
  }

  /** From the frozen job to the one that runs at the target. What it throws left the original as it was. */
  async #commit(attempt: Attempt, name: AttemptName, step: Step): Promise<Migrated> {
    const { executor, leaving, asker } = this.#options;
    const { frozen, sending, image, rss, to, number: node, why, since } = step;
    const { key } = attempt;
    const digested = frozen.seal().then(() => imageDigest(image));
    const sent = sending.send(digested);
    // Meanwhile; and what it fails at is told below.
    sent.catch(() => undefined);
    const isRecorded = executor.record(attempt, { type: 'freeze', attempt: attempt.number });
    const late = delay(recordMs, undefined, { ref: false });
    if (!(await Promise.race([isRecorded, late.then(() => Promise.reject(cannotMove(key, outOfTouch)))])))
      throw cannotMove(key, { refused: 'it has ended, or belongs to another node by now' });
    // Asked before all has come, so that the target begins at once when it has.
    const ready = digested.then(async (digest) =>
      this.#thawThere(to, { type: 'thaw', ...name, digest }, 2 * (sendMs + rss / slowestBytesAMs)),
    );
    ready.catch(() => undefined);
    const { bytes } = await sent;
    await ready;
    const digest = await digested;
    step.requireCalm();
    this.#requireOurs(attempt);
    leaving.write(key, { ...name, to, why, image, digest });
    const death = Death.of(attempt);
    try {
      await frozen.end();
    } catch (error) {
      if (isOmxError(error) && error.code === 'SLIPPED') this.#goesOn(attempt, death);
      throw error;
    }
    await Promise.race([death.told, delay(deathMs, undefined, { ref: false })]);
    if (this.#isAbandoned) throw cannotMove(key, { refused: 'the shepherd of this node is gone' });
    // From here on the job can only go on there. Refused: it was cancelled, or others have it; the target finds out. Or the
    // answer to the first try was lost, and this is that to the second.
    const isMoved = await executor.record(attempt, { type: 'move', attempt: attempt.number, node });
    if (!isMoved && !(await this.#isAt(attempt, node))) {
      forgetHere(this.#options, attempt);
      throw new OmxError(`${key} was taken from this node while it moved`, { code: 'SUPERSEDED' });
    }
    // What is to come takes less than criu took from the call on until the job stood still.
    const moved: Migrated = { pauseMs: Math.round(performance.now() - since), bytes };
    // On record before the copy can end: both are sent over one connection.
    const noted = this.#note(attempt, { to, why, ...moved });
    await askMover(asker, to, { type: 'settle', ...name }, answerMs).catch(() => undefined);
    await noted;
    return moved;
  }

  /** What it is not any more must not be given away. */
  #requireOurs(attempt: Attempt): void {
    const { phase, fenced, key } = attempt;
    if (this.#isAbandoned || phase !== 'running') throw cannotMove(key, { refused: 'it has just ended' });
    if (fenced === true || !this.#options.holdsLease()) throw cannotMove(key, outOfTouch);
  }

  /** It may have ended meanwhile; then that is on record. */
  async #goesOnHere(attempt: Attempt): Promise<void> {
    if (attempt.phase === 'running')
      await this.#options.executor.record(attempt, { type: 'thaw', attempt: attempt.number });
  }

  async #isAt({ batch, ordinal, number }: Attempt, node: number): Promise<boolean> {
    const { cache, jobs } = this.#options;
    const runtime = await cache.get(batch);
    const [snapshot] = runtime === undefined ? [] : await jobs.read(runtime.batch, [ordinal]);
    const job = snapshot?.job;
    return job !== undefined && job.attempt === number && 'node' in job && job.node === node;
  }

  async #note({ batch, ordinal, number }: Attempt, moved: Migrated & { to: string; why: string }): Promise<void> {
    const { moveLog, node, log } = this.#options;
    await moveLog
      .append(batch, { ordinal, attempt: number, at: queueClock.now(), from: node, ...moved })
      .catch((error: unknown) => log.error({ err: error }, 'a move is not on record'));
  }

  /** Resolves when the copy waits there; the target reads every byte of the image before. */
  async #thawThere(to: string, request: ThawRequest, withinMs: number): Promise<void> {
    for (const end = performance.now() + withinMs; ;) {
      try {
        await askMover(this.#options.asker, to, request, askAgainMs);
        return;
      } catch (error) {
        const isLate = isOmxError(error) && error.code === lateAnswer;
        if (!isLate || performance.now() > end) throw error;
      }
    }
  }

  /** The original had been let go: it runs, or has ended by itself. */
  #goesOn(attempt: Attempt, death: Death): void {
    delete attempt.hears;
    this.#options.leaving.remove(attempt.key);
    if (death.event !== undefined) this.#options.executor.hearEnd(attempt, death.event);
  }
}

/** A frozen job on its way. */
interface Step {
  readonly frozen: Frozen;
  readonly image: string;
  readonly rss: number;
  readonly sending: Sending;
  readonly to: string;
  /** Its number among the batch's nodes. */
  readonly number: number;
  readonly why: string;
  readonly since: number;
  readonly requireCalm: () => void;
}

/** Nothing of it is left here: it is held by the record of the other node, and by a folder there. */
export function forgetHere(
  {
    attempts,
    shepherd,
    nodeDir,
    leaving,
    executor,
  }: Pick<DepartureOptions, 'attempts' | 'shepherd' | 'nodeDir' | 'leaving' | 'executor'>,
  attempt: Attempt,
): void {
  attempts.move(attempt, 'ending');
  shepherd.acknowledge([attempt.key], { removeOutput: true });
  attempts.remove(attempt);
  try {
    leaving.remove(attempt.key);
    removeJobFolder(nodeDir, attempt);
  } catch {
    // The next worker removes what this one could not.
  }
  executor.onRoom();
}
