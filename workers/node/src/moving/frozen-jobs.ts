import { setTimeout as delay } from 'node:timers/promises';

import {
  type CriuProgram,
  type EndedEvent,
  freeze,
  type Frozen,
  goesOn,
  outlives,
  readStatus,
  type Shepherd,
  type ShepherdEvent,
  syncFolder,
} from '@omx/launch';
import { type BatchStore, type JobStore, type MoveLog, queueClock } from '@omx/queue';
import type { Logger } from 'pino';

import type { Attempt, Attempts } from '../attempt.ts';
import type { BatchCache } from '../batch-cache.ts';
import { capsuleJobOf, readNote, writeNote } from '../capsule-jobs.ts';
import { type Capacity, fits, minus } from '../capacity.ts';
import type { Executor } from '../executor.ts';
import { jobFolder, removeJobFolder } from '../job-folders.ts';
import type { Starter } from '../starter.ts';
import { endOfFrozen } from './frozen-end.ts';
import { childrenAwayReason } from './children/obstacle.ts';
import { freezing } from './freezing.ts';
import { FrozenFolder } from './frozen-folder.ts';
import { cannotMove, refusalOf } from './refusals.ts';
import { thawAttempt, Told } from './thaw-attempt.ts';
import { undisturbed } from './undisturbed.ts';

interface FrozenJobsOptions {
  readonly nodeDir: string;
  /** This node's name. */
  readonly node: string;
  readonly capacity: () => Capacity;
  readonly attempts: Attempts;
  readonly cache: BatchCache;
  readonly batches: Pick<BatchStore, 'addNote'>;
  readonly jobs: JobStore;
  readonly moveLog: Pick<MoveLog, 'append'>;
  readonly shepherd: Pick<Shepherd, 'start' | 'acknowledge' | 'suspended' | 'suspensions'>;
  readonly starter: Pick<Starter, 'request'>;
  readonly executor: Pick<Executor, 'pause' | 'copyStarted' | 'fence' | 'hearEnd' | 'lose' | 'record' | 'onRoom'>;
  readonly criu: () => Promise<CriuProgram>;
  readonly log: Logger;
}

/** Of waiting for the shepherd to tell of an original's end. */
const toldMs = 10_000;
const goesOnMs = 5000;

/**
 * Jobs that their users have frozen (`omx pause --freeze`): an image on this node's disk, no processes, no memory, no slot.
 *
 * ```
 * running ─ image ─ record: frozen ─ state.json ─ original ended ─► frozen ─ slot ─ copy made ─ no state.json ─ copy let go ─ record: running
 * ```
 *
 * The record is written first, so a crash leaves a job that runs on and is on record as frozen (its next worker sets that
 * right and freezes it again), or one that is frozen. A crash of the machine in the moment between `state.json` and the
 * record at the thaw leaves a lost attempt.
 */
export class FrozenJobs {
  readonly #options: FrozenJobsOptions;
  /** They are to go on as soon as there is a slot, the oldest wish first. They have one already in `Attempts`, so that nothing else takes it. */
  readonly #waiting: Attempt[] = [];
  /** What could not be frozen is paused, and not tried again until its user wants something else. */
  readonly #refused = new WeakSet<Attempt>();
  /** When an attempt was thawed here; its time limit counts from then, beside what its note says. */
  readonly #since = new WeakMap<Attempt, number>();
  #isLeaving = false;

  constructor(options: FrozenJobsOptions) {
    this.#options = options;
  }

  /** Its user wants it frozen. A job that cannot be frozen is paused in memory, with a note that says why. */
  async freeze(attempt: Attempt): Promise<void> {
    const { executor, batches, log } = this.#options;
    if (attempt.phase !== 'running' || attempt.inHand !== undefined || attempt.cancelledBy !== undefined) return;
    if (this.#refused.has(attempt) || attempt.snapshot.job.status === 'leased') return;
    attempt.inHand = 'freeze';
    try {
      // What stands still in its image would do so when it is thawed.
      if (attempt.paused === true) executor.pause(attempt, false);
      await this.#freeze(attempt);
    } catch (error) {
      this.#refused.add(attempt);
      executor.pause(attempt, true);
      log.warn({ err: error, job: attempt.key }, 'a job could not be frozen; it is paused');
      await batches.addNote(
        attempt.batch,
        `${attempt.key} is paused and keeps its memory: ${refusalOf(error).refused}`,
      );
    } finally {
      delete attempt.inHand;
    }
  }

  /** Its user wants something else of it: it may be tried again when he wants it frozen again. */
  unwanted(attempt: Attempt): void {
    this.#refused.delete(attempt);
  }

  /** Its user wants it to go on. Does nothing for one that waits for its slot already. */
  resume(attempt: Attempt): void {
    if (attempt.phase !== 'frozen') return;
    this.#options.attempts.move(attempt, 'starting');
    this.#waiting.push(attempt);
    this.thawWaiting();
  }

  /** There may be room for one that waits. */
  thawWaiting(): void {
    const { attempts, capacity, log } = this.#options;
    for (const attempt of [...this.#waiting]) {
      const running = this.#waiting.reduce(minus, attempts.taken);
      if (isWanted(attempt) && !fits(capacity(), running, attempt)) return;
      this.#waiting.splice(this.#waiting.indexOf(attempt), 1);
      this.#thawOrEnd(attempt).catch((error: unknown) =>
        log.error({ err: error, job: attempt.key }, 'a frozen job could not be thawed'),
      );
    }
  }

  /** Its user has cancelled it, or it is somebody else's now. */
  cancel(attempt: Attempt): void {
    if (attempt.phase !== 'frozen') this.thawWaiting();
    else if (attempt.fenced !== true) this.#end(attempt);
    else {
      this.#options.attempts.remove(attempt);
      this.#folder(attempt).remove();
      removeJobFolder(this.#options.nodeDir, attempt);
    }
  }

  /** The worker leaves for good: what is frozen stays so, on record and on the disk. */
  leave(): void {
    const { attempts } = this.#options;
    this.#isLeaving = true;
    this.#waiting.length = 0;
    for (const attempt of attempts.all())
      if (attempt.snapshot.job.status === 'frozen' && attempt.inHand === undefined) attempts.remove(attempt);
  }

  /** @returns whether an earlier worker has frozen the attempt, of which no process is here; then it is taken as such */
  adopt(attempt: Attempt): boolean {
    if (attempt.snapshot.job.status !== 'frozen' || this.#folder(attempt).read() === undefined) return false;
    if (this.#hasEnded(attempt)) return false;
    attempt.phase = 'frozen';
    attempt.launcher = 'criu';
    delete attempt.pid;
    this.#ignoreEnd(attempt);
    return true;
  }

  /** An earlier worker may have died while it froze the attempt. Its end follows then, if it had come so far. */
  adoptRunning(attempt: Attempt): void {
    const { attempts, executor, log } = this.#options;
    const folder = this.#folder(attempt);
    if (folder.read() === undefined) return folder.remove();
    attempt.inHand = 'freeze';
    const hears = (event: ShepherdEvent): void => {
      if (event.type !== 'ended') return;
      delete attempt.hears;
      delete attempt.inHand;
      if (this.#hasEnded(attempt)) {
        folder.remove();
        return executor.hearEnd(attempt, event);
      }
      this.#forget(attempt);
      attempts.move(attempt, 'frozen');
      this.#ignoreEnd(attempt);
    };
    attempt.hears = hears;
    outlives(attempt.pid ?? 0)
      .then((isGoing) => {
        if (!isGoing || attempt.hears !== hears) return;
        delete attempt.hears;
        delete attempt.inHand;
        folder.remove();
      })
      .catch((error: unknown) => log.error({ err: error, job: attempt.key }, 'what became of a job cannot be seen'));
  }

  /** Keys of all that may be frozen here. */
  keys(): string[] {
    return FrozenFolder.keys(this.#options.nodeDir);
  }

  /** What was left of another attempt. */
  remove(key: string): void {
    new FrozenFolder(this.#options.nodeDir, key).remove();
  }

  async #freeze(attempt: Attempt): Promise<void> {
    const { nodeDir, attempts, executor } = this.#options;
    const children = childrenAwayReason(attempt);
    if (children !== undefined) throw cannotMove(attempt.key, { refused: children });
    const folder = this.#folder(attempt);
    const job = capsuleJobOf(nodeDir, attempt);
    const criu = await this.#options.criu();
    const requireCalm = undisturbed(this.#options.shepherd, attempt.key);
    // The shepherd may have yet to let go on what was paused.
    if (!(await goesOn(job.pid, goesOnMs))) throw cannotMove(attempt.key, { refused: 'it stands still' });
    const frozen = await freezing(attempt, executor, async () => freeze({ criu, job, image: folder.image }));
    const told = new Told();
    let isRecorded = false;
    try {
      await frozen.seal();
      await syncFolder(folder.image);
      // An earlier worker may have come so far.
      isRecorded =
        attempt.snapshot.job.status === 'frozen' ||
        (await executor.record(attempt, { type: 'freeze', attempt: attempt.number }));
      // Its user has thought better of it, or it is not ours any more; whoever looks next sees to that.
      if (!isRecorded || attempt.snapshot.job.wish !== 'freeze') return await this.#goOn(attempt, frozen, isRecorded);
      requireCalm();
      folder.write({ shape: job.shape, usage: frozen.usage, ranMs: this.#ranMs(attempt) });
      attempt.hears = (event) => told.hear(event);
      await frozen.end();
    } catch (error) {
      delete attempt.hears;
      folder.forgetState();
      await this.#goOn(attempt, frozen, isRecorded);
      if (told.end !== undefined) executor.hearEnd(attempt, told.end);
      throw error;
    }
    await Promise.race([told.ended, delay(toldMs, undefined, { ref: false })]);
    this.#ignoreEnd(attempt);
    if (told.isOver) this.#forget(attempt);
    delete attempt.pid;
    attempts.move(attempt, 'frozen');
    // Nobody waits for what stays so.
    if (this.#isLeaving) attempts.remove(attempt);
    await this.#log(attempt, 'frozen');
    executor.onRoom();
  }

  async #goOn(attempt: Attempt, frozen: Frozen, isRecorded: boolean): Promise<void> {
    await frozen.keepGoing();
    this.#folder(attempt).remove();
    if (isRecorded) await this.#options.executor.record(attempt, { type: 'thaw', attempt: attempt.number });
  }

  #ranMs(attempt: Attempt): number {
    const now = queueClock.now();
    return (
      (readNote(this.#options.nodeDir, attempt)?.ranMs ?? 0) +
      now -
      (this.#since.get(attempt) ?? attempt.startedAt ?? now)
    );
  }

  /** By itself, that is: criu leaves no status behind. */
  #hasEnded(attempt: Attempt): boolean {
    return readStatus(jobFolder(this.#options.nodeDir, attempt)) !== undefined;
  }

  /** Of its processes here the shepherd may tell late, or again. */
  #ignoreEnd(attempt: Attempt): void {
    attempt.hears = (event) => {
      if (event.type !== 'started') this.#forget(attempt);
    };
  }

  /** The shepherd's output files are the job's folder, which stays. */
  #forget({ key }: Attempt): void {
    this.#options.shepherd.acknowledge([key], { removeOutput: false });
  }

  async #thawOrEnd(attempt: Attempt): Promise<void> {
    const { attempts, batches, executor, node } = this.#options;
    if (!isWanted(attempt)) {
      attempts.move(attempt, 'frozen');
      return this.cancel(attempt);
    }
    attempt.inHand = 'thaw';
    try {
      await this.#thaw(attempt);
    } catch (error) {
      attempts.move(attempt, 'frozen');
      this.#ignoreEnd(attempt);
      if (this.#isLeaving) return attempts.remove(attempt);
      const { refused, hint } = refusalOf(error);
      const mend = `; ${hint ?? 'omx cancel and then omx rerun begin it anew'}`;
      await batches.addNote(attempt.batch, `${attempt.key} stays frozen at ${node}: ${refused}${mend}`);
      // Not again and again: its user knows now.
      await executor.record(attempt, { type: 'wish', wish: 'freeze' });
    } finally {
      delete attempt.inHand;
    }
  }

  async #thaw(attempt: Attempt): Promise<void> {
    const { nodeDir, attempts, cache, jobs, shepherd, starter, executor } = this.#options;
    const folder = this.#folder(attempt);
    const state = folder.read();
    const runtime = await cache.get(attempt.batch);
    if (runtime === undefined || state === undefined) throw new Error('its image is not there any more');
    const copy = await thawAttempt({
      ...{
        shepherd,
        criu: await this.#options.criu(),
        attempt,
        request: await starter.request(runtime, attempt, state),
      },
      ...{ image: folder.image, folder: jobFolder(nodeDir, attempt), log: folder.log },
    });
    const [snapshot] = await jobs.read(runtime.batch, [attempt.ordinal]);
    const isOurs = snapshot?.job.status === 'frozen' && snapshot.job.attempt === attempt.number;
    if (!isWanted(attempt) || !isOurs || snapshot.job.wish === 'freeze') {
      await copy.abort();
      attempts.move(attempt, 'frozen');
      this.#ignoreEnd(attempt);
      return;
    }
    let end: EndedEvent | undefined;
    try {
      writeNote(nodeDir, attempt, { shape: state.shape, earlier: copy.earlier, ranMs: state.ranMs });
      folder.forgetState();
      end = await copy.go();
    } catch (error) {
      await copy.abort();
      folder.write(state);
      throw error;
    }
    this.#since.set(attempt, queueClock.now());
    executor.copyStarted(attempt, copy, end);
    if (!(await executor.record(attempt, { type: 'thaw', attempt: attempt.number }))) executor.fence(attempt);
    folder.remove();
    await this.#log(attempt, 'thawed');
  }

  #end(attempt: Attempt): void {
    const { nodeDir, executor } = this.#options;
    const folder = this.#folder(attempt);
    delete attempt.hears;
    executor.hearEnd(attempt, endOfFrozen(nodeDir, attempt, folder.read()?.usage));
    folder.remove();
  }

  async #log({ batch, ordinal, number }: Attempt, did: 'frozen' | 'thawed'): Promise<void> {
    const { moveLog, node } = this.#options;
    await moveLog.append(batch, { did, ordinal, attempt: number, at: queueClock.now(), node });
  }

  #folder({ key }: Attempt): FrozenFolder {
    return new FrozenFolder(this.#options.nodeDir, key);
  }
}

function isWanted({ cancelledBy, fenced }: Attempt): boolean {
  return cancelledBy === undefined && fenced !== true;
}
