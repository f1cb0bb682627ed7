import {
  type BatchId,
  isOmxError,
  type NotStartedReason,
  noOutput,
  noUsage,
  type Outcome,
  type OutputFacts,
} from '@omx/core';
import {
  type EndedEvent,
  readProcessTable,
  type RefusedEvent,
  type Shepherd,
  type ShepherdEvent,
  type StartRequest,
  treeRss,
} from '@omx/launch';
import type { BatchStore, JobRows, JobStore } from '@omx/queue';
import type { ResultsPool } from '@omx/worker-results';
import type { Logger } from 'pino';

import type { Attempt, Attempts } from './attempt.ts';
import type { BatchCache, BatchRuntime } from './batch-cache.ts';
import { outcomeOfEnd, refusalReason } from './ending.ts';
import type { FollowUps } from './follow-ups.ts';
import { type Report, Reporter } from './reporter.ts';
import { nextTry } from './retry.ts';
import { parseOutput } from './parse-output.ts';
import { Starter } from './starter.ts';

interface ExecutorOptions {
  readonly batches: BatchStore;
  readonly jobs: JobStore;
  readonly cache: BatchCache;
  readonly shepherd: Shepherd;
  readonly attempts: Attempts;
  readonly pool: ResultsPool;
  readonly nodeDir: string;
  readonly node: string;
  readonly slots: number;
  readonly followUps: FollowUps;
  readonly log: Logger;
}

/** More unreported ends than this, and nothing new is taken until they are written: bounds memory while Redis is slow. */
const mostUnreported = 2000;
/** A start is recorded when the job has run for so long. */
const startReportMs = 30;
/** A node short of processes, files or disk waits so long before it takes work again. */
const shortageMs = 1000;

/** Starts claimed jobs as slots come free, and turns what the shepherd reports into records. */
export class Executor {
  readonly #options: ExecutorOptions;
  readonly #starter: Starter;
  readonly #reporter: Reporter;
  #ready: Attempt[] = [];
  readonly #startedLately: Attempt[] = [];
  #starting: Promise<void> | undefined;
  #leaving = false;
  onRoom: () => void = () => {};
  onShortage: (ms: number) => void = () => {};

  constructor(options: ExecutorOptions) {
    this.#options = options;
    this.#starter = new Starter(options.shepherd, options.nodeDir, options.node);
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
  }

  get readySlots(): number {
    return this.#ready.reduce((sum, attempt) => sum + attempt.slots, 0);
  }

  get isBehind(): boolean {
    return this.#options.attempts.size - this.#options.attempts.running - this.#ready.length > mostUnreported;
  }

  /** Begins to hear of the attempts it has, adopted ones first; call it once they are known. */
  listen(): void {
    this.#options.shepherd.onEvent((events) => this.#handle(events));
    for (const attempt of this.#options.attempts.all()) {
      if (attempt.snapshot.job.status === 'leased' && attempt.startedAt !== undefined)
        this.#reportStart(attempt, attempt.startedAt);
    }
  }

  add(attempts: readonly Attempt[]): void {
    for (const attempt of attempts) this.#options.attempts.add(attempt);
    this.#ready.push(...attempts);
    this.#startReady();
  }

  /** Ends an attempt because its user or its batch wants it so. */
  cancel(attempt: Attempt, graceMs: number | undefined): void {
    attempt.cancelledBy ??= 'user';
    if (attempt.phase === 'ready') {
      this.#ready = this.#ready.filter((other) => other !== attempt);
      this.#end(attempt, { kind: 'cancelled', by: attempt.cancelledBy });
      return;
    }
    if (attempt.phase === 'ending') return;
    this.#options.cache
      .get(attempt.batch)
      .then((runtime) =>
        this.#options.shepherd.end(
          attempt.key,
          'cancel',
          graceMs ?? runtime?.specOf(attempt.ordinal).limits.graceMs ?? 10_000,
        ),
      )
      .catch((error: unknown) => this.#options.log.error({ err: error }, 'a job could not be cancelled'));
  }

  /** The batch takes no more jobs: what has not started here will not. */
  cancelReady(batch: BatchId): void {
    for (const attempt of this.#ready.filter((ready) => ready.batch === batch)) {
      attempt.cancelledBy = 'policy';
      this.cancel(attempt, undefined);
    }
  }

  pause(attempt: Attempt, paused: boolean): void {
    if (attempt.phase !== 'running' || attempt.paused === paused) return;
    attempt.paused = paused;
    if (paused) this.#options.shepherd.pause(attempt.key);
    else this.#options.shepherd.resume(attempt.key);
    this.#reporter.report({ attempt, event: { type: paused ? 'pause' : 'resume' } });
  }

  /** Somebody else has the job now: the process must not go on, and its result will not count. */
  fence(attempt: Attempt): void {
    if (attempt.phase === 'ready') {
      this.#ready = this.#ready.filter((other) => other !== attempt);
      this.#options.attempts.remove(attempt);
    } else if (attempt.phase !== 'ending') this.#options.shepherd.end(attempt.key, 'fenced', 0);
  }

  /** Ends jobs that hold more memory than their `--mem`. Pages shared within a job count once for each process. */
  enforceMemory(): void {
    const limited = [...this.#options.attempts.all()].filter(
      (attempt) => attempt.memBytes !== undefined && attempt.phase === 'running',
    );
    if (limited.length === 0) return;
    const table = readProcessTable();
    for (const attempt of limited) {
      if (attempt.pid !== undefined && treeRss(attempt.pid, table) > (attempt.memBytes ?? Infinity))
        this.#options.shepherd.end(attempt.key, 'oom', 0);
    }
  }

  /** Lets go of what was kept for batches that are no longer in use. */
  forgetAllBut(kept: readonly BatchRuntime[]): void {
    this.#starter.forgetAllBut(kept);
  }

  /** Gives everything back: what has not started as it was, what runs after it has been ended. */
  async giveUp(): Promise<void> {
    const { attempts, shepherd, cache } = this.#options;
    this.#leaving = true;
    for (const attempt of this.#ready.splice(0))
      this.#reporter.report({ attempt, event: { type: 'give-back' }, offerAt: -1 });
    for (const attempt of attempts.all()) {
      if (attempt.phase === 'ready' || attempt.phase === 'ending') continue;
      const limits = (await cache.get(attempt.batch))?.specOf(attempt.ordinal).limits;
      shepherd.end(attempt.key, 'requeue', limits?.graceMs ?? 10_000);
    }
    while (attempts.size > 0) {
      await new Promise((resolve) => setImmediate(resolve));
      await this.#reporter.idle();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  #startReady(): void {
    this.#starting ??= this.#start()
      .catch((error: unknown) => this.#options.log.error({ err: error }, 'jobs could not be started'))
      .finally(() => {
        this.#starting = undefined;
      });
  }

  async #start(): Promise<void> {
    const { attempts, slots, shepherd, cache } = this.#options;
    for (;;) {
      const requests: StartRequest[] = [];
      while (this.#ready.length > 0 && !this.#leaving) {
        const [next] = this.#ready as [Attempt];
        // A job that wants more than the node has gets the whole node.
        if (attempts.slotsTaken > 0 && attempts.slotsTaken + next.slots > slots) break;
        this.#ready.shift();
        attempts.move(next, 'starting');
        const runtime = await cache.get(next.batch);
        const request = runtime === undefined ? undefined : await this.#request(runtime, next);
        if (request !== undefined) requests.push(request);
      }
      if (requests.length === 0) break;
      shepherd.start(requests);
    }
    if (this.#ready.length === 0) this.onRoom();
  }

  async #request(runtime: BatchRuntime, attempt: Attempt): Promise<StartRequest | undefined> {
    try {
      return await this.#starter.request(runtime, attempt);
    } catch (error) {
      const why = isOmxError(error)
        ? `${error.message}${error.hint === undefined ? '' : `; ${error.hint}`}`
        : String(error);
      await this.#options.batches.addNote(attempt.batch, `${attempt.key} on ${this.#options.node}: ${why}`);
      this.#refuse(attempt, isOmxError(error) ? 'launcher-unavailable' : 'other');
      return undefined;
    }
  }

  #handle(events: readonly ShepherdEvent[]): void {
    for (const event of events) {
      const attempt = this.#options.attempts.get(event.key);
      if (attempt === undefined) {
        if (event.type !== 'started') this.#options.shepherd.acknowledge([event.key], { removeOutput: true });
        continue;
      }
      if (event.type === 'started') {
        this.#options.attempts.move(attempt, 'running');
        attempt.pid = event.pid;
        attempt.startedAt = event.startedAt;
        this.#reportStartSoon(attempt);
        if (attempt.cancelledBy !== undefined) this.cancel(attempt, undefined);
      } else if (event.type === 'refused') this.#refused(attempt, event);
      else this.#ended(attempt, event);
    }
    this.#startReady();
  }

  /** Jobs that end at once are never recorded as running: one write less for each. */
  #reportStartSoon(attempt: Attempt): void {
    this.#startedLately.push(attempt);
    if (this.#startedLately.length > 1) return;
    setTimeout(() => {
      for (const started of this.#startedLately.splice(0)) {
        if (started.phase === 'running' && started.startedAt !== undefined)
          this.#reportStart(started, started.startedAt);
      }
    }, startReportMs);
  }

  #reportStart(attempt: Attempt, at: number): void {
    this.#reporter.report({
      attempt,
      event: { type: 'start', attempt: attempt.number, at, launcher: attempt.launcher },
    });
  }

  #refused(attempt: Attempt, event: RefusedEvent): void {
    const reason = refusalReason(event);
    if (reason === undefined) {
      this.onShortage(shortageMs);
      this.#options.log.warn(
        { job: attempt.key, stage: event.stage, errno: event.errno },
        'the node is short of something; the job goes back',
      );
      this.#giveBack(attempt, shortageMs);
    } else this.#refuse(attempt, reason);
  }

  #refuse(attempt: Attempt, reason: NotStartedReason): void {
    this.#end(attempt, { kind: 'not-started', reason });
  }

  #giveBack(attempt: Attempt, delayMs: number): void {
    const at = Date.now();
    this.#options.attempts.move(attempt, 'ending');
    this.#reporter.report({
      attempt,
      event: { type: 'requeue', attempt: attempt.number, at },
      offerAt: delayMs === 0 ? -1 : at + delayMs,
    });
  }

  #ended(attempt: Attempt, event: EndedEvent): void {
    attempt.startedAt ??= event.startedAt;
    if (event.lost === true) {
      this.#options.attempts.move(attempt, 'ending');
      this.#reporter.report({
        attempt,
        event: { type: 'lose', attempt: attempt.number, at: event.endedAt },
        offerAt: 0,
      });
      return;
    }
    if (event.reason === 'requeue') {
      this.#giveBack(attempt, 0);
      return;
    }
    this.#end(attempt, outcomeOfEnd(event, attempt.cancelledBy, attempt.launcher), event);
  }

  #end(attempt: Attempt, outcome: Outcome, event?: EndedEvent): void {
    this.#options.attempts.move(attempt, 'ending');
    this.#report(attempt, outcome, event).catch((error: unknown) =>
      this.#options.log.error({ err: error }, 'the end of a job could not be reported'),
    );
  }

  async #report(attempt: Attempt, outcome: Outcome, event: EndedEvent | undefined): Promise<void> {
    const runtime = await this.#options.cache.get(attempt.batch);
    if (runtime === undefined) return;
    if (event !== undefined) runtime.learn(event.endedAt - event.startedAt);
    const spec = runtime.specOf(attempt.ordinal);
    const rows: JobRows | undefined =
      spec.parse === undefined || event === undefined
        ? undefined
        : await parseOutput({ ...this.#options, runtime, attempt, event, parser: spec.parse });
    const at = event?.endedAt ?? Date.now();
    const retryAt = nextTry(attempt.snapshot.job, outcome, spec.limits, Date.now());
    const output = outputFacts(event);
    this.#reporter.report({
      attempt,
      event: {
        type: 'end',
        attempt: attempt.number,
        at,
        outcome,
        usage: event?.usage ?? noUsage,
        output,
        ...(attempt.startedAt === undefined ? {} : { started: { at: attempt.startedAt, launcher: attempt.launcher } }),
      },
      ...(retryAt === undefined ? {} : { retryAt }),
      ...(output.place !== 'queue' || event?.output === undefined
        ? {}
        : { output: { ordinal: attempt.ordinal, attempt: attempt.number, ...event.output } }),
      ...(rows === undefined ? {} : { rows }),
    });
  }

  #settled(report: Report, accepted: boolean): void {
    const { attempt, event } = report;
    if (event.type === 'start' || event.type === 'pause' || event.type === 'resume') return;
    const kept = accepted && event.type === 'end' && event.output.place === 'node';
    this.#options.shepherd.acknowledge([attempt.key], { removeOutput: !kept });
    this.#options.attempts.remove(attempt);
    if (report.retryAt !== undefined) this.#wakeAt(report.retryAt);
    this.onRoom();
  }

  #wakeAt(at: number): void {
    setTimeout(() => this.onRoom(), Math.min(60_000, Math.max(0, at - Date.now() + 5))).unref();
  }
}

function outputFacts(event: EndedEvent | undefined): OutputFacts {
  if (event === undefined || event.outBytes + event.errBytes === 0) return noOutput;
  return {
    place: event.output === undefined ? 'node' : 'queue',
    outBytes: event.outBytes,
    errBytes: event.errBytes,
    truncated: event.truncated,
  };
}
