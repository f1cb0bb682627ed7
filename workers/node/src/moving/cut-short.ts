import { setTimeout as delay } from 'node:timers/promises';

import { outlives, readStatus, type Shepherd } from '@omx/launch';

import type { Attempt } from '../attempt.ts';
import { writeNote } from '../capsule-jobs.ts';
import { jobFolder } from '../job-folders.ts';
import { askMover } from './ask-mover.ts';
import { Death } from './death.ts';
import { type DepartureOptions, forgetHere } from './departure.ts';
import { layOut } from './lay-out.ts';
import type { LeavingJournal } from './leaving.ts';
import { attemptOnTheMove } from './on-the-move.ts';
import { thawAttempt } from './thaw-attempt.ts';

const answerMs = 20_000;
/** The shepherd tells of the death of the original. */
const deathMs = 15_000;

interface CutShort {
  readonly attempt: Attempt;
  readonly journal: LeavingJournal;
  readonly death: Death;
  /** The shepherd tells of its end, or has yet to see it. */
  readonly isKnown: boolean;
}

/** Brings to an end what an earlier worker had sent off before it died, by the journal that it had written. */
export class CutShortMoves {
  readonly #options: DepartureOptions;
  readonly #found: CutShort[] = [];

  constructor(options: DepartureOptions) {
    this.#options = options;
  }

  /** Takes up those whose original may have been ended. Before others are asked which attempts the shepherd has. */
  async recover({ running, unreported }: Shepherd['hello']): Promise<void> {
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
      const death = Death.of(attempt);
      attempts.add(attempt);
      const isKnown = found !== undefined || unreported.includes(key);
      this.#found.push({ attempt, journal, death, isKnown });
    }
    // An earlier worker may have died before there was anything in it.
    leaving.tidy();
  }

  /** Once the shepherd is listened to. Also lets go on record what an earlier worker had only frozen. */
  async begin(): Promise<void> {
    const { attempts, executor, leaving, log } = this.#options;
    for (const each of this.#found.splice(0)) {
      const { attempt } = each;
      try {
        await this.#resolve(each);
      } catch (error) {
        log.error({ err: error, job: attempt.key }, 'a move that was cut short could not be brought to an end');
        delete attempt.hears;
        leaving.remove(attempt.key);
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

  async #resolve({ attempt, journal, death, isKnown }: CutShort): Promise<void> {
    const { nodeDir, executor, stays, batches, asker } = this.#options;
    const { to, image: _image, why: _why, digest: _digest, ...name } = journal;
    const { pid } = attempt;
    // Its gate let it go on with the death of that worker, unless it had been told to end.
    if (pid !== undefined && death.event === undefined && (await outlives(pid))) {
      this.#wasNotEnded(attempt, death);
      await executor.record(attempt, { type: 'thaw', attempt: attempt.number });
      return stays(attempt);
    }
    if (isKnown) await Promise.race([death.told, delay(deathMs, undefined, { ref: false })]);
    // criu leaves no status, and the shepherd knows no reason for what it does.
    const { event } = death;
    if (event !== undefined && (event.reason !== 'none' || readStatus(jobFolder(nodeDir, attempt)) !== undefined))
      return this.#wasNotEnded(attempt, death);
    const isThere = await askMover(asker, to, { type: 'settle', ...name }, answerMs).then(
      () => true,
      () => false,
    );
    // Nobody has it, so the image here is all there is.
    if (!isThere) return this.#goOnHere(attempt, journal);
    const node = await batches.nodeNumber(attempt.batch, to);
    const accepted = await executor.record(attempt, { type: 'move', attempt: attempt.number, node });
    if (accepted) await askMover(asker, to, { type: 'settle', ...name }, answerMs).catch(() => undefined);
    forgetHere(this.#options, attempt);
  }

  /** The original had been let go: it runs, or has ended by itself. */
  #wasNotEnded(attempt: Attempt, { event }: Death): void {
    delete attempt.hears;
    this.#options.leaving.remove(attempt.key);
    if (event !== undefined) this.#options.executor.hearEnd(attempt, event);
  }

  async #goOnHere(attempt: Attempt, { to, why, image }: LeavingJournal): Promise<void> {
    const { nodeDir, executor, leaving, stays, shepherd, jobs, cache, holdsLease, log } = this.#options;
    shepherd.acknowledge([attempt.key], { removeOutput: false });
    const request = await layOut(nodeDir, attempt, leaving.folderOf(attempt.key), this.#options.request);
    const copy = await thawAttempt({
      ...{ shepherd, criu: await this.#options.criu(), attempt, request, image },
      folder: jobFolder(nodeDir, attempt),
      log: `${leaving.folderOf(attempt.key)}.log`,
    });
    const runtime = await cache.get(attempt.batch);
    const [now] = runtime === undefined ? [] : await jobs.read(runtime.batch, [attempt.ordinal]);
    const { job } = attempt.snapshot;
    if (now?.job.status !== 'frozen' || now.job.attempt !== job.attempt || !holdsLease()) {
      await copy.abort();
      throw new Error('others have the job by now');
    }
    writeNote(nodeDir, attempt, { shape: copy.shape, earlier: copy.earlier });
    const end = await copy.go();
    executor.copyStarted(attempt, copy, end);
    const isOurs = await executor.record(attempt, { type: 'thaw', attempt: attempt.number });
    leaving.remove(attempt.key);
    if (!isOurs && attempt.phase === 'running') return executor.fence(attempt);
    stays(attempt);
    log.info({ job: attempt.key, to, why }, 'a job whose move was cut short goes on from its image');
  }
}
