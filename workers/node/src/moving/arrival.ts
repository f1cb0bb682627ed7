import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { attemptId, indexOf } from '@omx/core';
import {
  checkDigest,
  checkImage,
  type CriuProgram,
  isReleased,
  receiveInto,
  pageServerBytes,
  receivePages,
  type Shepherd,
  type StartRequest,
} from '@omx/launch';
import type {
  AbortRequest,
  AttemptName,
  BatchStore,
  CopyReady,
  Done,
  JobSnapshot,
  JobStore,
  ReceiveRequest,
  Receiver,
  Refusal,
  SettleRequest,
  ThawRequest,
} from '@omx/queue';
import type { Logger } from 'pino';

import type { Attempt, Attempts } from '../attempt.ts';
import type { BatchCache, BatchRuntime } from '../batch-cache.ts';
import type { JobDemand } from '../capacity.ts';
import { writeNote } from '../capsule-jobs.ts';
import type { Executor } from '../executor.ts';
import { jobFolder, removeJobFolder } from '../job-folders.ts';
import { type Arrival, mayStillCome, namesUs, noteArrival, readArrival } from './arrival-state.ts';
import { layOut } from './lay-out.ts';
import { attemptOnTheMove } from './on-the-move.ts';
import { refusalOf } from './refusals.ts';
import { thawAttempt, type WaitingCopy } from './thaw-attempt.ts';
import { misfit } from './traits.ts';

export interface ArrivalOptions {
  readonly nodeDir: string;
  /** This node's name, and where others reach it. */
  readonly node: string;
  readonly address: string;
  readonly attempts: Attempts;
  readonly cache: BatchCache;
  readonly jobs: Pick<JobStore, 'read'>;
  readonly batches: Pick<BatchStore, 'addNote'>;
  readonly shepherd: Pick<Shepherd, 'start' | 'acknowledge'>;
  readonly criu: () => Promise<CriuProgram>;
  readonly executor: Pick<Executor, 'copyStarted' | 'lose' | 'onRoom'>;
  /** What would start the attempt from the beginning; it makes an empty folder for it. */
  readonly request: (attempt: Attempt) => Promise<StartRequest>;
  /** Why the node takes no job that needs so much now. */
  readonly refusal: (demand: JobDemand, rss: number) => Refusal | undefined;
  /** Why the node keeps no image of about so many bytes. */
  readonly keepRefusal: (bytes: number) => Refusal | undefined;
  /** The attempt is this node's now; somebody may have wished something of it meanwhile. */
  readonly arrived: (attempt: Attempt) => void;
  readonly log: Logger;
}

/** The record is looked at so often while somebody else may still change it. */
const lookMs = 500;
/** Whoever asks to be received freezes the job, and sends it, at once. */
const receiveMs = 60_000;
const slowestBytesAMs = 10_000;
/** An image that is kept is fetched out of the arrivals soon after it is complete. */
const keptMs = 300_000;
const tries = 3;

/** The target's side of the hand-over, which the README beside this file describes. */
export class Arrivals {
  readonly #options: ArrivalOptions;
  readonly #folder: string;
  readonly #all = new Map<string, Arrival>();
  #closed = false;

  constructor(options: ArrivalOptions) {
    this.#options = options;
    this.#folder = join(options.nodeDir, 'arriving');
  }

  /** Answers `receive`: refuses, or listens for whoever has the token. */
  async receive(request: ReceiveRequest): Promise<Receiver | Refusal> {
    const { cache, refusal, keepRefusal, address } = this.#options;
    const { batch, ordinal, attempt, from, purpose, traits } = request;
    if (this.#closed) return { refused: `node ${this.#options.node} is leaving` };
    const name: AttemptName = { batch, ordinal, attempt };
    const runtime = await cache.get(batch);
    if (runtime === undefined) return { refused: `there is no batch ${batch}` };
    const { limits, oversubscribe } = runtime.specOf(ordinal);
    const { cpus, memBytes } = limits;
    const demand = { slots: cpus, oversubscribe, ...(memBytes === undefined ? {} : { memBytes }) };
    const no = purpose === 'move' ? refusal(demand, traits.rss) : keepRefusal(traits.rss);
    if (no !== undefined) return no;
    let criu: CriuProgram;
    try {
      criu = await this.#options.criu();
    } catch (error) {
      return refusalOf(error);
    }
    if (purpose === 'move') {
      const reason = await misfit(criu, traits);
      if (reason !== undefined) return reason;
    }
    const key = this.#keyOf(name, runtime);
    const before = this.#all.get(key);
    if (before !== undefined) await this.#drop(key, before);
    if (this.#options.attempts.get(key) !== undefined) return { refused: `${key} is at this node already` };
    const dir = join(this.#folder, key);
    rmSync(dir, { recursive: true, force: true });
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const arrival: Arrival = { name, from, runtime, dir, isComplete: false, busy: Promise.resolve() };
    if (purpose === 'move') {
      const [snapshot] = await this.#options.jobs.read(runtime.batch, [ordinal]);
      if (snapshot?.job.attempt !== attempt) return { refused: `${key} is over` };
      // Others may have come since; between this look and the slot that is kept nothing can.
      const noMore = refusal(demand, traits.rss);
      if (noMore !== undefined) return noMore;
      Object.assign(arrival, { attempt: this.#keepSlot(runtime, snapshot) });
    }
    this.#all.set(key, arrival);
    try {
      const timeoutMs = receiveMs + traits.rss / slowestBytesAMs;
      arrival.reception = await receiveInto({ host: address, into: dir, timeoutMs });
      if (purpose === 'move' && traits.rss >= pageServerBytes)
        arrival.pages = await receivePages({ criu, host: address, image: join(dir, 'image'), timeoutMs });
    } catch (error) {
      await this.#drop(key, arrival);
      return refusalOf(error);
    }
    // Where nothing comes, nobody asks for it either.
    arrival.reception.done.catch(async () => this.#inTurn(arrival, async () => this.#drop(key, arrival)));
    if (purpose === 'move') this.#watch(key, arrival);
    else arrival.timer = setTimeout(() => void this.#drop(key, arrival), keptMs).unref();
    const { reception, pages } = arrival;
    return {
      ...{ host: address, port: reception.port, token: reception.token },
      ...(pages === undefined ? {} : { pages: { port: pages.port, token: pages.token } }),
    };
  }

  /** Answers `thaw`: everything was sent. */
  async thaw({ digest, ...name }: ThawRequest): Promise<CopyReady | Refusal> {
    const found = await this.#find(name);
    if (found === undefined || (found.arrival.reception === undefined && !found.arrival.isComplete))
      return { refused: 'nothing of it has arrived' };
    const { key, arrival } = found;
    return this.#inTurn(arrival, async () => {
      // Asked again, as the answer took long; or it was dropped meanwhile.
      if (arrival.copy !== undefined) return { ready: true };
      if (this.#all.get(key) !== arrival) return { refused: 'it was dropped here' };
      try {
        await arrival.reception?.done;
        const image = join(arrival.dir, 'image');
        checkDigest(image, digest);
        await checkImage(image, await this.#options.criu());
        noteArrival(arrival);
        arrival.isComplete = true;
        arrival.copy = await this.#makeCopy(arrival);
        return { ready: true };
      } catch (error) {
        this.#options.log.warn({ err: error, job: key }, 'a job that was to come here cannot go on here');
        return refusalOf(error);
      }
    });
  }

  /** Answers `settle`. */
  async settle(request: SettleRequest): Promise<Done | Refusal> {
    const found = await this.#find(request);
    if (found === undefined) return { refused: 'nothing of it has arrived' };
    if (!found.arrival.isComplete) return { refused: 'it has not arrived as a whole' };
    await this.#look(found.key, found.arrival);
    return { done: true };
  }

  /** Answers `abort`. The record decides all the same: an abort may have been long on its way. */
  async abort(request: AbortRequest): Promise<Done> {
    const found = await this.#find(request);
    if (found !== undefined)
      await this.#inTurn(found.arrival, async () => {
        if (!(await this.#isOurs(found.arrival))) await this.#drop(found.key, found.arrival);
      });
    return { done: true };
  }

  /**
   * What an earlier worker had received, as far as it was complete; everything else is removed. Before others are asked
   * which attempts the shepherd has: those that are taken up here are none of theirs.
   */
  async recover({ running, unreported }: Shepherd['hello']): Promise<void> {
    const { cache, jobs, shepherd } = this.#options;
    for (const key of existsSync(this.#folder) ? readdirSync(this.#folder) : []) {
      const dir = join(this.#folder, key);
      const known = readArrival(dir);
      const runtime = known === undefined ? undefined : await cache.get(known.batch);
      const pid = running.find((each) => each.key === key)?.pid;
      // Let go of and not noted: it is running, and the attempt is adopted as any other.
      if (known === undefined || runtime === undefined || (pid !== undefined && (await isReleased(pid)))) {
        rmSync(dir, { recursive: true, force: true });
        continue;
      }
      const { from, ...name } = known;
      const [snapshot] = await jobs.read(runtime.batch, [name.ordinal]);
      if (snapshot === undefined) continue;
      const attempt = this.#keepSlot(runtime, snapshot);
      const arrival: Arrival = { name, from, runtime, dir, attempt, isComplete: true, busy: Promise.resolve() };
      // The copy has died with the worker that held it. The shepherd knows its key until it hears that this was heard.
      if (pid !== undefined || unreported.includes(key)) {
        arrival.busy = new Promise((resolve) => {
          attempt.hears = (event) => {
            if (event.type === 'started') return;
            shepherd.acknowledge([key], { removeOutput: false });
            delete attempt.hears;
            resolve(undefined);
          };
        });
      }
      this.#all.set(key, arrival);
    }
  }

  /** Begins to look after what `recover` found. */
  begin(): void {
    for (const [key, arrival] of this.#all) if (arrival.timer === undefined) this.#watch(key, arrival);
  }

  /** Nothing more comes here; what has not arrived for good stays where it was. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const [key, arrival] of this.#all)
      await this.#inTurn(arrival, async () => {
        if (!(await this.#isOurs(arrival).catch(() => false))) await this.#drop(key, arrival);
      });
  }

  #keyOf({ ordinal, attempt }: AttemptName, { batch }: BatchRuntime): string {
    return attemptId(batch.id, indexOf(batch.spec.jobs, ordinal), attempt);
  }

  async #find(name: AttemptName): Promise<{ readonly key: string; readonly arrival: Arrival } | undefined> {
    const runtime = await this.#options.cache.get(name.batch);
    const key = runtime === undefined ? '' : this.#keyOf(name, runtime);
    const arrival = this.#all.get(key);
    return arrival === undefined ? undefined : { key, arrival };
  }

  #keepSlot(runtime: BatchRuntime, snapshot: JobSnapshot): Attempt {
    const attempt = attemptOnTheMove(runtime, snapshot, 'arriving');
    this.#options.attempts.add(attempt);
    return attempt;
  }

  async #makeCopy(arrival: Arrival): Promise<WaitingCopy> {
    const { nodeDir, shepherd, request } = this.#options;
    const { attempt, dir } = arrival;
    if (attempt === undefined) throw new Error('an image that is kept is not thawed');
    const start = await layOut(nodeDir, attempt, join(dir, 'folder'), request);
    return thawAttempt({
      ...{ shepherd, criu: await this.#options.criu(), attempt, request: start },
      folder: jobFolder(nodeDir, attempt),
      image: join(dir, 'image'),
      log: join(dir, 'log'),
    });
  }

  #watch(key: string, arrival: Arrival): void {
    arrival.timer = setInterval(() => {
      this.#look(key, arrival).catch((error: unknown) =>
        this.#options.log.error({ err: error, job: key }, 'the record of a job that is to come here cannot be read'),
      );
    }, lookMs);
  }

  /** The record says whose it is. */
  async #look(key: string, arrival: Arrival): Promise<void> {
    await this.#inTurn(arrival, async () => {
      if (this.#all.get(key) !== arrival) return;
      const snapshot = await this.#record(arrival);
      if (namesUs(arrival, snapshot)) await this.#take(key, arrival, snapshot);
      else if (!mayStillCome(arrival, snapshot)) await this.#drop(key, arrival);
    });
  }

  /** The commit has been made: the original is dead, and the job is ours, come what may. */
  async #take(key: string, arrival: Arrival, snapshot: JobSnapshot): Promise<void> {
    const { attempt, runtime } = arrival;
    if (attempt === undefined) return;
    const { nodeDir, node, executor, arrived, batches, log } = this.#options;
    attempt.snapshot = snapshot;
    for (let left = tries; ; left -= 1) {
      try {
        const copy = (arrival.copy ??= await this.#makeCopy(arrival));
        // By now the record names this node: what it says of the start is true for the copy.
        if ('startedAt' in snapshot.job && snapshot.job.startedAt !== undefined)
          attempt.startedAt = snapshot.job.startedAt;
        writeNote(nodeDir, attempt, { shape: copy.shape, earlier: copy.earlier });
        const end = await copy.go();
        this.#end(key, arrival);
        log.info({ job: key, from: arrival.from }, 'a job has come here');
        executor.copyStarted(attempt, copy, end);
        arrived(attempt);
        return;
      } catch (error) {
        delete arrival.copy;
        log.warn({ err: error, job: key }, 'the copy of a job that has come here was lost');
        if (left > 1) continue;
        const why = `it came to ${node} and could not go on there: ${refusalOf(error).refused}`;
        await batches.addNote(runtime.batch.id, `${key}: ${why}`).catch(() => undefined);
        this.#end(key, arrival);
        executor.lose(attempt);
        return;
      }
    }
  }

  /** It goes on elsewhere, or not at all. */
  async #drop(key: string, arrival: Arrival): Promise<void> {
    const { attempts, nodeDir, executor } = this.#options;
    if (this.#all.get(key) !== arrival) return;
    this.#end(key, arrival);
    await arrival.copy?.abort().catch(() => undefined);
    if (arrival.attempt === undefined) return;
    attempts.remove(arrival.attempt);
    removeJobFolder(nodeDir, arrival.attempt);
    executor.onRoom();
  }

  #end(key: string, { timer, reception, pages, dir }: Arrival): void {
    clearTimeout(timer);
    this.#all.delete(key);
    for (const each of [reception, pages]) each?.stop().catch(() => undefined);
    rmSync(dir, { recursive: true, force: true });
  }

  async #record({ runtime, name }: Arrival): Promise<JobSnapshot> {
    const [snapshot] = await this.#options.jobs.read(runtime.batch, [name.ordinal]);
    if (snapshot === undefined) throw new Error(`no record of job ${name.ordinal} of ${name.batch}`);
    return snapshot;
  }

  async #isOurs(arrival: Arrival): Promise<boolean> {
    return namesUs(arrival, await this.#record(arrival));
  }

  async #inTurn<T>(arrival: Arrival, work: () => Promise<T>): Promise<T> {
    const turn = arrival.busy.then(work);
    arrival.busy = turn.catch(() => undefined);
    return turn;
  }
}
