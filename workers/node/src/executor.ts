import { type AttemptEnd, type BatchId, type JobEvent } from '@omx/core';
import { type EndedEvent, type Shepherd, type ShepherdEvent } from '@omx/launch';
import { type BatchStore, type JobStore, queueClock } from '@omx/queue';
import type { ResultsPool } from '@omx/worker-results';
import type { Logger } from 'pino';

import type { Attempt, Attempts } from './attempt.ts';
import { AttemptEnds, shortageMs } from './attempt-ends.ts';
import type { BatchCache, BatchRuntime } from './batch-cache.ts';
import { wholeEnd } from './capsule-end.ts';
import { type Capacity, type Demand, sumOf } from './capacity.ts';
import type { FollowUps } from './follow-ups.ts';
import { longestFollowedMs } from './followers.ts';
import { filesOf, removeJobFolder } from './job-folders.ts';
import { overMemoryLimit } from './memory-limits.ts';
import { onQueueTime } from './queue-time.ts';
import { isOver, type Report } from './report.ts';
import { Reporter } from './reporter.ts';
import type { WaitingCopy } from './moving/thaw-attempt.ts';
import type { Resumer } from './moving/resume-from-image.ts';
import { StartQueue } from './start-queue.ts';
import type { Starter } from './starter.ts';
import { StillRunning } from './still-running.ts';

interface ExecutorOptions {
  readonly batches: BatchStore;
  readonly jobs: JobStore;
  readonly cache: BatchCache;
  readonly shepherd: Shepherd;
  readonly attempts: Attempts;
  readonly pool: ResultsPool;
  readonly nodeDir: string;
  readonly node: string;
  readonly capacity: () => Capacity;
  readonly followUps: FollowUps;
  readonly starter: Starter;
  readonly resumer: Resumer;
  readonly log: Logger;
}

/** More unreported ends than this, and nothing new is taken until they are written: bounds memory while Redis is slow. */
const mostUnreported = 2000;
const wakeTickMs = 20;

/** Starts claimed jobs as slots come free, and turns what the shepherd reports into records. */
export class Executor {
  readonly #options: ExecutorOptions;
  readonly #reporter: Reporter;
  readonly #queue: StartQueue;
  readonly #ends: AttemptEnds;
  /** Jobs that end sooner are never recorded as running: one write less for each. */
  readonly #starts = new StillRunning(30, (attempt, at) => this.#runsOn(attempt, at));
  /** Twice as long as any job that others wait behind usually takes. */
  readonly #slow = new StillRunning(2 * longestFollowedMs, (attempt) => this.#queue.recallBehind(attempt));
  #outputKept: ReadonlySet<string> = new Set();
  /** When it is to be looked for retries that are due, by the queue's clock. */
  readonly #wakes = new Set<number>();
  #leaving = false;
  onRoom: () => void = () => {};
  onShortage: (ms: number) => void = () => {};
  /** An attempt's end is on record. */
  onRecorded: (attempt: Attempt, end: AttemptEnd) => void = () => {};
  /** The shepherd tells of a process that is no attempt of a job. */
  onOther: (event: ShepherdEvent) => void = () => {};
  /** A frozen job, or one on its way out of its image, is cancelled. */
  onCancelFrozen: (attempt: Attempt) => void = () => {};
  /** The node gives everything back. */
  onGiveUp: () => void = () => {};

  constructor(options: ExecutorOptions) {
    this.#options = options;
    this.#reporter = new Reporter({
      batches: options.batches,
      jobs: options.jobs,
      cache: options.cache,
      events: {
        settled: (report, accepted) => this.#settled(report, accepted),
        written: (batch, result) => options.followUps.afterWrite(batch, result),
        failed: (error) => options.log.error({ err: error }, 'a result could not be written'),
      },
    });
    const onShortage = (everyJob: boolean): void => {
      if (everyJob) this.#queue.rest();
      this.onShortage(shortageMs);
    };
    this.#ends = new AttemptEnds({ ...options, reporter: this.#reporter, onShortage });
    const onEmpty = (): void => this.onRoom();
    this.#queue = new StartQueue({ ...options, ends: this.#ends, starts: this, onShortage, onEmpty });
  }

  /** Claimed and not started, the next first. */
  get ready(): readonly Attempt[] {
    return this.#queue.ready;
  }

  /** What it runs or will. */
  get used(): Required<Demand> {
    return sumOf([this.#options.attempts.taken, ...this.#queue.ready, ...this.#queue.following]);
  }

  get isBehind(): boolean {
    const { size, running } = this.#options.attempts;
    return size - running - this.#queue.ready.length - this.#queue.following.size > mostUnreported;
  }

  /**
   * Begins to hear of the attempts it has, adopted ones first; call it once they are known.
   * @param outputKept ended attempts that are on record, with their output on this node
   */
  listen(outputKept: ReadonlySet<string>): void {
    this.#outputKept = outputKept;
    this.#options.shepherd.onEvent((events) => this.#handle(events));
    for (const attempt of this.#options.attempts.all()) {
      if (attempt.snapshot.job.status === 'leased' && attempt.startedAt !== undefined)
        this.#reportStart(attempt, attempt.startedAt);
    }
  }

  add(attempts: readonly Attempt[]): void {
    for (const attempt of attempts) this.#options.attempts.add(attempt);
    this.#queue.add(attempts);
  }

  /** Ends an attempt because its user or its batch wants it so. */
  cancel(attempt: Attempt, graceMs: number | undefined): void {
    attempt.cancelledBy ??= 'user';
    if (attempt.phase === 'ready') {
      this.#queue.withdraw(new Set([attempt]));
      this.#ends.end(attempt, { kind: 'cancelled', by: attempt.cancelledBy });
      return;
    }
    if (attempt.phase === 'ending') return;
    if (attempt.phase === 'frozen') return this.onCancelFrozen(attempt);
    attempt.stopWaiting?.();
    this.#options.cache
      .get(attempt.batch)
      .then((runtime) =>
        this.#options.shepherd.end(
          attempt.key,
          'cancel',
          this.#grace(graceMs ?? runtime?.specOf(attempt.ordinal).limits.graceMs),
        ),
      )
      .catch((error: unknown) => this.#options.log.error({ err: error }, 'a job could not be cancelled'));
  }

  /** The batch takes no more jobs: what has not started here will not. */
  cancelReady(batch: BatchId): void {
    const unstarted = [...this.#queue.ready, ...this.#queue.following];
    for (const attempt of unstarted.filter((each) => each.batch === batch)) {
      attempt.cancelledBy = 'policy';
      this.cancel(attempt, undefined);
    }
  }

  pause(attempt: Attempt, paused: boolean): void {
    if (attempt.phase !== 'running' || attempt.paused === paused) return;
    attempt.paused = paused;
    if (paused) this.#queue.recallBehind(attempt);
    if (paused) this.#options.shepherd.pause(attempt.key);
    else this.#options.shepherd.resume(attempt.key);
    this.#reporter.report({ attempt, event: { type: paused ? 'pause' : 'resume' } });
  }

  /** Somebody else has the job now: the process must not go on, and its result will not count. */
  fence(attempt: Attempt): void {
    if (attempt.phase === 'ready') {
      this.#queue.withdraw(new Set([attempt]));
      this.#options.attempts.remove(attempt);
    } else if (attempt.phase !== 'ending') {
      // Its request may not have been sent yet.
      attempt.fenced = true;
      attempt.stopWaiting?.();
      if (attempt.phase === 'frozen') this.onCancelFrozen(attempt);
      else this.#options.shepherd.end(attempt.key, 'fenced', 0);
    }
  }

  enforceMemory(): void {
    const { attempts, shepherd } = this.#options;
    for (const attempt of overMemoryLimit(attempts.all())) shepherd.end(attempt.key, 'oom', 0);
  }

  /** Lets go of what was kept for batches that are no longer in use. */
  forgetAllBut(kept: readonly BatchRuntime[]): void {
    this.#options.starter.forgetAllBut(kept);
  }

  /** What waits with the shepherd for another to end is to come back, so that it can be given back. */
  recall(): void {
    this.#queue.recallAll();
  }

  /** Gives jobs back that were claimed and have not started; they go before others again. */
  giveBack(unstarted: readonly Attempt[]): void {
    const given = new Set(unstarted.filter((attempt) => attempt.phase === 'ready'));
    this.#queue.withdraw(given);
    for (const attempt of given) this.#ends.handBack(attempt);
  }

  /** A copy runs as the attempt from now on. @param end where it has ended already */
  copyStarted(attempt: Attempt, { pid, startedAt }: Pick<WaitingCopy, 'pid' | 'startedAt'>, end?: EndedEvent): void {
    this.#started(attempt, pid, attempt.startedAt ?? queueClock.fromLocal(startedAt));
    if (end !== undefined) this.hearEnd(attempt, end);
    else if (this.#leaving) this.#options.shepherd.end(attempt.key, 'requeue', this.#grace(undefined));
  }

  /** There is no copy of the attempt: it begins anew, unless nobody wants it here any more. */
  async startAnew(attempt: Attempt): Promise<void> {
    const { attempts, shepherd } = this.#options;
    if (attempt.fenced === true) attempts.remove(attempt);
    else if (attempt.cancelledBy !== undefined) this.#ends.end(attempt, { kind: 'cancelled', by: attempt.cancelledBy });
    else if (this.#leaving) this.#ends.giveBack(attempt, 0);
    else shepherd.start(await this.#queue.request(attempt));
  }

  /** An end that came while somebody else heard of the attempt (`hears`), or of which the shepherd does not know. */
  hearEnd(attempt: Attempt, end: EndedEvent): void {
    this.#ends.ended(attempt, end);
    this.#queue.wake();
  }

  /** The attempt's processes are gone for no fault of its own: it is queued again, as when its node dies. */
  lose(attempt: Attempt): void {
    this.#ends.lose(attempt);
    this.#queue.wake();
  }

  /** Writes an event of an attempt that goes on; false where it is no longer ours. */
  async record(attempt: Attempt, event: JobEvent): Promise<boolean> {
    return this.#reporter.write(attempt, event);
  }

  /** Gives everything back: what has not started as it was, what runs after it has been ended. */
  async giveUp(): Promise<void> {
    const { attempts, shepherd, cache } = this.#options;
    this.#leaving = true;
    this.#queue.leave();
    this.onGiveUp();
    this.giveBack(this.#queue.ready);
    for (const attempt of attempts.all()) {
      if (attempt.phase === 'ready' || attempt.phase === 'ending') continue;
      attempt.stopWaiting?.();
      const limits = (await cache.get(attempt.batch))?.specOf(attempt.ordinal).limits;
      shepherd.end(attempt.key, 'requeue', this.#grace(limits?.graceMs));
    }
    while (attempts.size > 0) {
      await new Promise((resolve) => setImmediate(resolve));
      await this.#reporter.idle();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** A job that is suspended because others may have it must not run on for its grace. */
  #grace(ms: number | undefined): number {
    return this.#options.shepherd.suspended ? 0 : (ms ?? 10_000);
  }

  #handle(events: readonly ShepherdEvent[]): void {
    for (const told of events) {
      const attempt = this.#options.attempts.get(told.key);
      const start = attempt?.isCopy === true ? undefined : attempt?.startedAt;
      const event = onQueueTime(this.#whole(told, attempt), start);
      if (attempt === undefined) {
        if (event.type !== 'started') this.#forget(event.key);
        this.onOther(event);
        continue;
      }
      if (event.type !== 'started') this.#queue.over(attempt);
      if (attempt.hears !== undefined) {
        attempt.hears(event);
        continue;
      }
      // Of the same attempt when it was here before; its copy is not made yet.
      if (attempt.phase === 'arriving') {
        if (event.type !== 'started') this.#options.shepherd.acknowledge([event.key], { removeOutput: false });
      } else if (event.type === 'started') {
        this.#started(attempt, event.pid, event.startedAt);
      } else if (event.type === 'refused' && event.stage === 'recalled') this.#recalled(attempt);
      else if (event.type === 'refused') this.#ends.refused(attempt, event);
      else this.#ends.ended(attempt, event);
    }
    this.#queue.wake();
  }

  #started(attempt: Attempt, pid: number, at: number): void {
    this.#options.attempts.move(attempt, 'running');
    Object.assign(attempt, { pid, startedAt: at });
    this.#starts.soon(attempt);
    if (attempt.cancelledBy !== undefined) this.cancel(attempt, undefined);
  }

  #whole(told: ShepherdEvent, attempt: Attempt | undefined): ShepherdEvent {
    return told.type === 'ended' && attempt?.launcher === 'criu'
      ? wholeEnd(this.#options.nodeDir, attempt, told)
      : told;
  }

  /** What ended is no attempt of ours, or none any more. */
  #forget(key: string): void {
    const { shepherd, nodeDir } = this.#options;
    const keepOutput = this.#outputKept.has(key);
    shepherd.acknowledge([key], { removeOutput: !keepOutput });
    const files = filesOf(key);
    if (files !== undefined) removeJobFolder(nodeDir, files, { keepOutput });
  }

  /** It is no very short job: those behind it may start elsewhere sooner. */
  #runsOn(attempt: Attempt, at: number): void {
    if (this.#queue.hasPatience(attempt)) this.#slow.soon(attempt);
    else this.#queue.recallBehind(attempt);
    this.#reportStart(attempt, at);
  }

  /** It waited for another, and does so no longer; nothing ran. */
  #recalled(attempt: Attempt): void {
    const { attempts, shepherd } = this.#options;
    shepherd.acknowledge([attempt.key], { removeOutput: true });
    if (attempt.fenced === true) attempts.remove(attempt);
    else if (attempt.cancelledBy !== undefined) this.#ends.end(attempt, { kind: 'cancelled', by: attempt.cancelledBy });
    else if (this.#leaving) this.#ends.handBack(attempt);
    else {
      this.#queue.again(attempt);
      // The node may take none for now, and give it back.
      this.onRoom();
    }
  }

  #reportStart(attempt: Attempt, at: number): void {
    this.#reporter.report({
      attempt,
      event: { type: 'start', attempt: attempt.number, at, launcher: attempt.launcher },
    });
  }

  #settled(report: Report, accepted: boolean): void {
    const { attempt, event } = report;
    if (!isOver(event)) return;
    const kept = accepted && event.type === 'end' && event.output.place === 'node';
    // The shepherd has not heard of what is given back, and may soon of its next attempt, which has the same key.
    if (event.type !== 'give-back') this.#options.shepherd.acknowledge([attempt.key], { removeOutput: !kept });
    if (attempt.launcher === 'criu') removeJobFolder(this.#options.nodeDir, attempt, { keepOutput: kept });
    this.#options.attempts.remove(attempt);
    if (report.retryAt !== undefined) this.#wakeAt(report.retryAt);
    if (accepted && event.type === 'end') this.onRecorded(attempt, event);
    this.onRoom();
  }

  /** Retries that fall due together share a timer, as a million may wait. */
  #wakeAt(at: number): void {
    const tick = Math.ceil(Math.min(at, queueClock.now() + 60_000) / wakeTickMs) * wakeTickMs;
    if (this.#wakes.has(tick)) return;
    this.#wakes.add(tick);
    const wake = (): void => {
      this.#wakes.delete(tick);
      this.onRoom();
    };
    setTimeout(wake, Math.max(0, tick - queueClock.now() + 5)).unref();
  }
}
