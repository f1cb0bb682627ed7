import { setTimeout as delay } from 'node:timers/promises';

import { isOmxError, OmxError } from '@omx/core';
import {
  type CriuProgram,
  type EndedEvent,
  freeze,
  type Frozen,
  imageDigest,
  send,
  type Shepherd,
  type StartRequest,
} from '@omx/launch';
import {
  type AttemptName,
  type BatchStore,
  isRefusal,
  type JobStore,
  lateAnswer,
  type Migrated,
  type MoveAnswers,
  type MoveLog,
  type NodeAsker,
  queueClock,
  type Receiver,
  type ThawRequest,
} from '@omx/queue';
import type { Logger } from 'pino';

import type { Attempt, Attempts } from '../attempt.ts';
import type { BatchCache } from '../batch-cache.ts';
import { capsuleJobOf, writeNote } from '../capsule-jobs.ts';
import { jobFolder, removeJobFolder } from '../job-folders.ts';
import type { Executor } from '../executor.ts';
import { layOut } from './lay-out.ts';
import type { LeavingFolder, LeavingJournal } from './leaving.ts';
import { childrenAwayReason } from './children/obstacle.ts';
import { attemptOnTheMove } from './on-the-move.ts';
import { cannotMove, refusalOf } from './refusals.ts';
import { thawAttempt } from './thaw-attempt.ts';
import { readTraits } from './traits.ts';

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
  readonly executor: Pick<Executor, 'record' | 'hearEnd' | 'lose' | 'copyStarted' | 'onRoom'>;
  readonly shepherd: Pick<Shepherd, 'start' | 'acknowledge'>;
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
const slowestBytesAMs = 10_000;
const sendMs = 30_000;
/** The shepherd tells of the death of the original. */
const deathMs = 15_000;
/** What criu had begun to kill when its worker died is dead by then. */
const dyingMs = 3000;

/** The source's side of the hand-over, which the README beside this file describes. */
export class Departures implements Mover {
  readonly #options: DepartureOptions;
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #recovered: { readonly attempt: Attempt; readonly journal: LeavingJournal; readonly death: Death }[] = [];
  #closed = false;

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
    if (inHand !== undefined) return 'it is being moved, frozen or copied just now';
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

  /**
   * Takes up what an earlier worker had sent off before it died: it had begun to end the original. Before others are asked
   * which attempts the shepherd has.
   */
  async recover({ running }: Shepherd['hello']): Promise<void> {
    const { leaving, cache, jobs, attempts } = this.#options;
    for (const key of leaving.keys()) {
      const journal = leaving.read(key);
      const runtime = journal === undefined ? undefined : await cache.get(journal.batch);
      const [snapshot] =
        journal === undefined || runtime === undefined ? [] : await jobs.read(runtime.batch, [journal.ordinal]);
      const job = snapshot?.job;
      if (
        journal === undefined ||
        runtime === undefined ||
        snapshot === undefined ||
        job?.status !== 'frozen' ||
        job.attempt !== journal.attempt ||
        job.node !== runtime.nodeNumber
      ) {
        leaving.remove(key);
        continue;
      }
      const attempt = attemptOnTheMove(runtime, snapshot, 'running');
      const found = running.find((each) => each.key === key);
      Object.assign(attempt, { startedAt: job.startedAt, ...(found === undefined ? {} : { pid: found.pid }) });
      attempt.inHand = 'move';
      const death = new Death();
      attempt.hears = (event) => {
        if (event.type === 'ended') death.tell(event);
      };
      attempts.add(attempt);
      this.#recovered.push({ attempt, journal, death });
    }
  }

  /** Brings to an end what `recover` found, and lets go on what an earlier worker had only frozen. */
  async begin(): Promise<void> {
    const { attempts, executor, log } = this.#options;
    for (const { attempt, journal, death } of this.#recovered.splice(0)) {
      try {
        await this.#resolve(attempt, journal, death);
      } catch (error) {
        log.error({ err: error, job: attempt.key }, 'a move that was cut short could not be brought to an end');
        delete attempt.hears;
        executor.lose(attempt);
      } finally {
        delete attempt.inHand;
      }
    }
    for (const attempt of attempts.all()) {
      const { job } = attempt.snapshot;
      if (
        attempt.phase === 'running' &&
        attempt.inHand === undefined &&
        job.status === 'frozen' &&
        job.wish !== 'freeze'
      )
        await executor.record(attempt, { type: 'thaw', attempt: attempt.number });
    }
  }

  async #resolve(attempt: Attempt, journal: LeavingJournal, death: Death): Promise<void> {
    const { executor, leaving, stays, nodeDir, shepherd, batches } = this.#options;
    const { to, image, why, digest: _digest, ...name } = journal;
    // Its gate let it go on with the death of that worker, unless it had been told to end.
    if (attempt.pid !== undefined) await Promise.race([death.told, delay(dyingMs)]);
    if (attempt.pid !== undefined && death.event === undefined) {
      this.#goesOn(attempt, death);
      await executor.record(attempt, { type: 'thaw', attempt: attempt.number });
      stays(attempt);
      return;
    }
    const there = await this.#ask(to, { type: 'settle', ...name }, answerMs).then(
      () => true,
      () => false,
    );
    if (there) {
      const node = await batches.nodeNumber(attempt.batch, to);
      const accepted = await executor.record(attempt, { type: 'move', attempt: attempt.number, node });
      if (accepted) await this.#ask(to, { type: 'settle', ...name }, answerMs).catch(() => undefined);
      this.#forget(attempt);
      return;
    }
    // Nobody has it, so the image here is all there is.
    shepherd.acknowledge([attempt.key], { removeOutput: false });
    const request = await layOut(nodeDir, attempt, leaving.folderOf(attempt.key), this.#options.request);
    const copy = await thawAttempt({
      ...{ shepherd, criu: await this.#options.criu(), attempt, request, image },
      folder: jobFolder(nodeDir, attempt),
      log: `${leaving.folderOf(attempt.key)}.log`,
    });
    writeNote(nodeDir, attempt, { shape: copy.shape, earlier: copy.earlier });
    const end = await copy.go();
    executor.copyStarted(attempt, copy, end);
    await executor.record(attempt, { type: 'thaw', attempt: attempt.number });
    leaving.remove(attempt.key);
    stays(attempt);
    this.#options.log.info({ job: attempt.key, to, why }, 'a job whose move was cut short goes on from its image');
  }

  /** Begins no more, and waits for those under way. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#underWay);
  }

  async #move(attempt: Attempt, to: string, why: string): Promise<Migrated> {
    const { node, moveLog, stays, log } = this.#options;
    const { batch, ordinal, number } = attempt;
    const name: AttemptName = { batch, ordinal, attempt: number };
    attempt.inHand = 'move';
    try {
      const { pauseMs, bytes } = await this.#handOver(attempt, name, to, why);
      await moveLog
        .append(batch, { ordinal, attempt: number, at: queueClock.now(), from: node, to, why, pauseMs, bytes })
        .catch((error: unknown) => log.error({ err: error }, 'a move is not on record'));
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
      if (attempt.phase === 'running') stays(attempt);
    }
  }

  async #handOver(attempt: Attempt, name: AttemptName, to: string, why: string): Promise<Migrated> {
    const { nodeDir, node, executor, leaving } = this.#options;
    const criu = await this.#options.criu();
    const job = capsuleJobOf(nodeDir, attempt);
    const traits = await readTraits(criu, job, attempt.slots);
    const receiver = await this.#ask(to, { type: 'receive', ...name, from: node, purpose: 'move', traits }, answerMs);
    const image = leaving.imageFor(attempt.key, traits.rss);
    const since = performance.now();
    try {
      const frozen = await freeze({
        ...{ criu, job, image },
        timeoutMs: sendMs + traits.rss / slowestBytesAMs,
        holdMs: holdMs + traits.rss / slowestBytesAMs,
        ...(receiver.pages === undefined ? {} : { pages: { host: receiver.host, ...receiver.pages } }),
      });
      const bytes = await this.#commit(attempt, name, { frozen, image, rss: traits.rss, receiver, to, why }).catch(
        async (error: unknown) => {
          await frozen.keepGoing();
          throw error;
        },
      );
      const pauseMs = Math.round(performance.now() - since);
      this.#forget(attempt);
      return { pauseMs, bytes };
    } catch (error) {
      await this.#ask(to, { type: 'abort', ...name }, answerMs).catch(() => undefined);
      // It may have ended meanwhile; then that is on record.
      if (attempt.snapshot.job.status === 'frozen')
        await executor.record(attempt, { type: 'thaw', attempt: attempt.number });
      throw error;
    } finally {
      leaving.remove(attempt.key);
    }
  }

  /** From the frozen job to the one that runs at the target. What it throws left the original as it was. */
  async #commit(
    attempt: Attempt,
    name: AttemptName,
    step: { frozen: Frozen; image: string; rss: number; receiver: Receiver; to: string; why: string },
  ): Promise<number> {
    const { nodeDir, executor, leaving, batches, holdsLease } = this.#options;
    const { frozen, image, rss, receiver, to, why } = step;
    const { key } = attempt;
    const node = await batches.nodeNumber(attempt.batch, to);
    const sent = send({
      ...{ to: receiver, image, folder: jobFolder(nodeDir, attempt), timeoutMs: sendMs + rss / slowestBytesAMs },
      sealed: frozen.seal(),
    });
    // Meanwhile; and what it fails at is told below.
    sent.catch(() => undefined);
    if (!(await executor.record(attempt, { type: 'freeze', attempt: attempt.number })))
      throw cannotMove(key, { refused: 'it has ended, or belongs to another node by now' });
    const { bytes } = await sent;
    const digest = imageDigest(image);
    await this.#thawThere(to, { type: 'thaw', ...name, digest }, sendMs + rss / slowestBytesAMs);
    if (!holdsLease()) throw cannotMove(key, { refused: 'this node is out of touch with the queue' });
    leaving.write(key, { ...name, to, why, image, digest });
    const death = new Death();
    attempt.hears = (event) => {
      if (event.type === 'ended') death.tell(event);
    };
    try {
      await frozen.end();
    } catch (error) {
      if (isOmxError(error) && error.code === 'SLIPPED') this.#goesOn(attempt, death);
      throw error;
    }
    await Promise.race([death.told, delay(deathMs)]);
    // From here on the job can only go on there. Refused: it was cancelled, or others have it; the target finds out.
    if (!(await executor.record(attempt, { type: 'move', attempt: attempt.number, node }))) {
      this.#forget(attempt);
      throw new OmxError(`${key} was taken from this node while it moved`, { code: 'SUPERSEDED' });
    }
    await this.#ask(to, { type: 'settle', ...name }, answerMs).catch(() => undefined);
    return bytes;
  }

  /** Resolves when the copy waits there; the target reads every byte of the image before. */
  async #thawThere(to: string, request: ThawRequest, withinMs: number): Promise<void> {
    for (const end = performance.now() + withinMs; ;) {
      try {
        await this.#ask(to, request, askAgainMs);
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

  /** Nothing of it is left here. */
  #forget(attempt: Attempt): void {
    const { attempts, shepherd, nodeDir, leaving, executor } = this.#options;
    // Held by now by the record of the other node, and by a folder there.
    leaving.remove(attempt.key);
    attempts.move(attempt, 'ending');
    shepherd.acknowledge([attempt.key], { removeOutput: true });
    attempts.remove(attempt);
    removeJobFolder(nodeDir, attempt);
    executor.onRoom();
  }

  async #ask<Type extends keyof MoveAnswers>(
    to: string,
    request: MoveAnswers[Type]['request'] & { readonly type: Type },
    withinMs: number,
  ): Promise<Exclude<MoveAnswers[Type]['answer'], { refused: string }>> {
    const answer = await this.#options.asker.askJson<Type>(to, request, withinMs);
    if (isRefusal(answer)) throw cannotMove(`to node ${to}`, answer);
    return answer as Exclude<MoveAnswers[Type]['answer'], { refused: string }>;
  }
}

/** The end of the original, as the shepherd tells it. */
class Death {
  event: EndedEvent | undefined;
  readonly told: Promise<void>;
  #tell: () => void = () => {};

  constructor() {
    this.told = new Promise((resolve) => {
      this.#tell = resolve;
    });
  }

  tell(event: EndedEvent): void {
    this.event = event;
    this.#tell();
  }
}
