import { mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import { attemptId, indexOf, OmxError } from '@omx/core';
import { checkDigest, checkImage, type EndedEvent, type Shepherd } from '@omx/launch';
import type {
  AbortRequest,
  AttemptName,
  CopyReady,
  Done,
  JobSnapshot,
  ReceiveRequest,
  Receiver,
  Refusal,
  SettleRequest,
  ThawRequest,
} from '@omx/queue';

import type { Attempt } from '../attempt.ts';
import type { BatchRuntime } from '../batch-cache.ts';
import { writeNote } from '../capsule-jobs.ts';
import { removeJobFolder } from '../job-folders.ts';
import { admit } from './admission.ts';
import type { ArrivalOptions } from './arrival-options.ts';
import {
  type Arrival,
  arrivingFolder,
  forgetArrival,
  mayStillCome,
  namesUs,
  noteArrival,
  removeArrived,
} from './arrival-state.ts';
import { openArrivals } from './arrival-recovery.ts';
import { ArrivingCopies } from './arriving-copy.ts';
import { attemptOnTheMove } from './on-the-move.ts';
import { openReception, receiverOf, type Reception, stopReceiving } from './reception.ts';
import { refusalOf } from './refusals.ts';
import type { WaitingCopy } from './thaw-attempt.ts';

/** The record is looked at so often while somebody else may still change it. */
const lookMs = 500;
/** An image that is kept is fetched out of the arrivals soon after it is complete. */
const keptMs = 300_000;
const tries = 3;
/** A source that lives commits, or tells that it does not, much sooner. */
const decidedMs = 10_000;
const closingLookMs = 20;

/** The target's side of the hand-over, which the README beside this file describes. */
export class Arrivals {
  readonly #options: ArrivalOptions;
  readonly #folder: string;
  readonly #copies: ArrivingCopies;
  readonly #all = new Map<string, Arrival>();
  #closed = false;

  constructor(options: ArrivalOptions) {
    this.#options = options;
    this.#folder = join(options.nodeDir, 'arriving');
    this.#copies = new ArrivingCopies(options);
  }

  /** Answers `receive`: refuses, or listens for whoever has the token. */
  async receive(request: ReceiveRequest): Promise<Receiver | Refusal> {
    const { address } = this.#options;
    const { batch, ordinal, attempt, from, purpose, traits } = request;
    if (this.#closed) return { refused: `node ${this.#options.node} is leaving` };
    const name: AttemptName = { batch, ordinal, attempt };
    const admitted = await admit(this.#options, request);
    if ('refused' in admitted) return admitted;
    const { runtime, criu, refusal } = admitted;
    const key = this.#keyOf(name, runtime);
    const dir = arrivingFolder(this.#options.nodeDir, key, purpose);
    const place = basename(dir);
    if (!(await this.#makeWay(place))) return { refused: `${key} is on its way to this node already` };
    const arrival: Arrival = { name, from, runtime, dir, isComplete: false, failures: 0, busy: Promise.resolve() };
    if (purpose === 'move') {
      const snapshot = await this.#record(arrival);
      if (!mayStillCome(arrival, snapshot)) return { refused: `${key} is over` };
      // Others may have come since; between this look and the slot that is kept nothing can.
      const noMore = refusal();
      if (noMore !== undefined) return noMore;
      if (this.#options.attempts.get(key) !== undefined) return { refused: `${key} is at this node already` };
      Object.assign(arrival, { attempt: this.#keepSlot(runtime, snapshot) });
    } else if (this.#all.has(place)) return { refused: `an image of ${key} is on its way to this node already` };
    this.#all.set(place, arrival);
    let opened: Reception;
    try {
      // In its turn: who asks again meanwhile waits, and ends it then.
      opened = await this.#inTurn(arrival, async () => {
        await removeArrived(dir);
        mkdirSync(dir, { recursive: true, mode: 0o700 });
        return Object.assign(arrival, await openReception(request, { criu, address, dir }));
      });
      // The shepherd may be gone since, and all that was begun with it.
      if (this.#closed) throw new OmxError(`node ${this.#options.node} is leaving`, { code: 'LEAVING' });
    } catch (error) {
      await stopReceiving(arrival);
      await this.#drop(place, arrival);
      return refusalOf(error);
    }
    if (arrival.isOver === true) return { refused: `${key} was asked for again` };
    const drop = (): void => void this.#inTurn(arrival, async () => this.#drop(place, arrival));
    // Where nothing comes, nobody asks for it either.
    opened.reception.done.catch(drop);
    if (purpose === 'move') {
      this.#copies.prepare(arrival, traits.userNamespace);
      this.#watch(place, arrival);
    } else arrival.timer = setTimeout(drop, keptMs).unref();
    return receiverOf(address, opened);
  }

  /** Answers `thaw`: everything was sent, or is under way; others have their turn while it comes. */
  async thaw({ digest, ...name }: ThawRequest): Promise<CopyReady | Refusal> {
    const found = await this.#find(name);
    if (found === undefined || (found.arrival.reception === undefined && !found.arrival.isComplete))
      return { refused: 'nothing of it has arrived' };
    const { key, arrival } = found;
    await arrival.reception?.done.catch(() => undefined);
    return this.#inTurn(arrival, async () => {
      // Asked again, as the answer took long; or it was dropped meanwhile.
      if (arrival.copy !== undefined) return { ready: true };
      if (arrival.isOver === true) return { refused: 'it was dropped here' };
      try {
        await arrival.reception?.done;
        const image = join(arrival.dir, 'image');
        checkDigest(image, digest);
        const checked = await checkImage(image, await this.#options.criu(), arrival.digests);
        if (this.#closed) return { refused: `node ${this.#options.node} is leaving` };
        noteArrival(arrival);
        arrival.isComplete = true;
        arrival.copy = await this.#copies.make(arrival, checked);
        // While the source ends the original.
        setImmediate(() => void this.#inTurn(arrival, async () => this.#note(arrival)).catch(() => undefined));
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
    if (found === undefined) return this.#loseUnknown(request);
    if (!found.arrival.isComplete) return { refused: 'it has not arrived as a whole' };
    await this.#look(found.key, found.arrival);
    return { done: true };
  }

  /** Answers `abort`. The record decides all the same: an abort may have been long on its way. */
  async abort(request: AbortRequest): Promise<Done> {
    const found = await this.#find(request);
    if (found !== undefined)
      await this.#inTurn(found.arrival, async () => {
        if (!namesUs(found.arrival, await this.#record(found.arrival))) await this.#drop(found.key, found.arrival);
      });
    return { done: true };
  }

  /**
   * What an earlier worker had received, as far as it was complete; everything else is removed. Before others are asked
   * which attempts the shepherd has: those that are taken up here are none of theirs.
   */
  async recover(hello: Shepherd['hello']): Promise<void> {
    const { shepherd } = this.#options;
    for (const { key, pid, snapshot, ...begun } of await openArrivals(this.#folder, hello, this.#options)) {
      const attempt = this.#keepSlot(begun.runtime, snapshot);
      const arrival: Arrival = { ...begun, attempt };
      if (pid !== undefined) shepherd.end(key, 'fenced', 0);
      // The copy has died with the worker that held it. The shepherd knows its key until it hears that this was heard.
      if (pid !== undefined || hello.unreported.includes(key)) {
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

  /**
   * Nothing more comes here. What has not arrived as a whole stays where it was; of the rest the source may have ended the
   * original already, so that it is kept until the record says whose it is.
   */
  async close(): Promise<void> {
    this.#closed = true;
    const deadline = performance.now() + decidedMs;
    await Promise.all([...this.#all].map(async ([place, arrival]) => this.#closeOne(place, arrival, deadline)));
  }

  async #closeOne(place: string, arrival: Arrival, deadline: number): Promise<void> {
    const { holdsLease, attempts } = this.#options;
    await this.#inTurn(arrival, async () => {
      if (!arrival.isComplete) await this.#drop(place, arrival);
    });
    while (arrival.isOver !== true && holdsLease() && performance.now() < deadline) {
      // The queue may be away.
      await this.#look(place, arrival).catch(() => undefined);
      await delay(closingLookMs);
    }
    await this.#inTurn(arrival, async () => {
      if (arrival.isOver === true) return;
      // Nobody knows. The next worker will, and finds what has arrived.
      arrival.isOver = true;
      clearInterval(arrival.timer);
      await arrival.copy?.abort().catch(() => undefined);
      if (arrival.attempt !== undefined) attempts.remove(arrival.attempt);
    });
    // With what is left of it.
    await arrival.busy;
  }

  /** The shepherd is gone: who comes next sees to all that was begun, and nothing of it may be touched from here. */
  async abandon(): Promise<void> {
    this.#closed = true;
    const all = [...this.#all.values()];
    this.#all.clear();
    for (const arrival of all) {
      arrival.isOver = true;
      clearInterval(arrival.timer);
    }
    await Promise.all(all.map(stopReceiving));
    // Nobody else tells whoever makes a copy, or waits for its end.
    for (const { attempt } of all)
      attempt?.hears?.({ type: 'refused', key: attempt.key, stage: 'lease', errno: 'ECANCELED', at: Date.now() });
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

  /** Should the record name this node all the same, nobody else would ever find out that it has nothing of the job. */
  async #loseUnknown(name: AttemptName): Promise<Done | Refusal> {
    const { cache, jobs, attempts, executor } = this.#options;
    const runtime = await cache.get(name.batch);
    const [snapshot] = runtime === undefined ? [] : await jobs.read(runtime.batch, [name.ordinal]);
    const attempt = runtime === undefined ? undefined : attempts.get(this.#keyOf(name, runtime));
    if (attempt !== undefined && attempt.phase !== 'arriving') return { done: true };
    if (attempt === undefined && runtime !== undefined && snapshot && namesUs({ name, runtime }, snapshot))
      executor.lose(this.#keepSlot(runtime, snapshot));
    return { refused: 'nothing of it has arrived' };
  }

  /**
   * Something of the same job may have come before, which this asks for again.
   * @returns false where the job may yet go on from it
   */
  async #makeWay(place: string): Promise<boolean> {
    const before = this.#all.get(place);
    if (before === undefined) return true;
    return this.#inTurn(before, async () => {
      if (before.isOver === true) return true;
      if (before.isComplete) {
        const snapshot = await this.#record(before);
        if (namesUs(before, snapshot) || mayStillCome(before, snapshot)) return false;
      }
      await this.#drop(place, before);
      return true;
    }).finally(async () => before.busy);
  }

  #watch(key: string, arrival: Arrival): void {
    let isLooking = false;
    arrival.timer = setInterval(() => {
      // The queue may be away for long.
      if (isLooking) return;
      isLooking = true;
      this.#look(key, arrival)
        .catch((error: unknown) =>
          this.#options.log.error({ err: error, job: key }, 'the record of a job that is to come here cannot be read'),
        )
        .finally(() => (isLooking = false));
    }, lookMs);
  }

  /** The record says whose it is. */
  async #look(key: string, arrival: Arrival): Promise<void> {
    await this.#inTurn(arrival, async () => {
      if (arrival.isOver === true) return;
      const snapshot = await this.#record(arrival);
      if (namesUs(arrival, snapshot)) await this.#take(key, arrival, snapshot);
      else if (!mayStillCome(arrival, snapshot)) await this.#drop(key, arrival);
    });
  }

  /** The commit has been made: the original is dead, and the job is ours. */
  async #take(key: string, arrival: Arrival, snapshot: JobSnapshot): Promise<void> {
    const { attempt } = arrival;
    const { executor, arrived, holdsLease, log } = this.#options;
    // Others may be about to take it; the next look tells.
    if (attempt === undefined || !holdsLease()) return;
    attempt.snapshot = snapshot;
    let copy: WaitingCopy;
    let end: EndedEvent | undefined;
    try {
      copy = arrival.copy ??= await this.#copies.make(arrival);
      // By now the record names this node: what it says of the start is true for the copy.
      if ('startedAt' in snapshot.job && snapshot.job.startedAt !== undefined)
        attempt.startedAt = snapshot.job.startedAt;
      this.#note(arrival);
      end = await copy.go();
    } catch (error) {
      return this.#retry(key, arrival, error);
    }
    forgetArrival(arrival);
    executor.copyStarted(attempt, copy, end);
    log.info({ job: key, from: arrival.from }, 'a job has come here');
    this.#clear(key, arrival);
    arrived(attempt);
  }

  /** On the disk before the copy runs. */
  #note(arrival: Arrival): void {
    const { attempt, copy } = arrival;
    if (attempt === undefined || copy === undefined || arrival.noted === copy || arrival.isOver === true) return;
    writeNote(this.#options.nodeDir, attempt, { shape: copy.shape, earlier: copy.earlier });
    arrival.noted = copy;
  }

  /** The next look makes another copy, should the job still be ours then; but not for ever. */
  async #retry(key: string, arrival: Arrival, error: unknown): Promise<void> {
    const { attempt, runtime } = arrival;
    const { batches, executor, node, log } = this.#options;
    await arrival.copy?.abort().catch(() => undefined);
    delete arrival.copy;
    if (arrival.isOver === true || attempt === undefined) return;
    log.warn({ err: error, job: key }, 'the copy of a job that has come here was lost');
    arrival.failures += 1;
    if (arrival.failures < tries) return;
    this.#clear(key, arrival);
    executor.lose(attempt);
    const why = `it came to ${node} and could not go on there: ${refusalOf(error).refused}`;
    await batches.addNote(runtime.batch.id, `${key}: ${why}`).catch(() => undefined);
  }

  /** It goes on elsewhere, or not at all. */
  async #drop(place: string, arrival: Arrival): Promise<void> {
    const { attempts, nodeDir, executor } = this.#options;
    if (arrival.isOver === true) return;
    this.#clear(place, arrival);
    await arrival.copy?.abort().catch(() => undefined);
    await this.#copies.drop(arrival).catch(() => undefined);
    if (arrival.attempt === undefined) return;
    attempts.remove(arrival.attempt);
    removeJobFolder(nodeDir, arrival.attempt);
    executor.onRoom();
  }

  /** Nobody waits until its folder is gone but who wants the place (`#makeWay`). */
  #clear(place: string, arrival: Arrival): void {
    arrival.isOver = true;
    clearInterval(arrival.timer);
    void this.#inTurn(arrival, async () => {
      await stopReceiving(arrival);
      await removeArrived(arrival.dir).catch((error: unknown) =>
        this.#options.log.error({ err: error }, 'what has arrived could not be removed'),
      );
      if (this.#all.get(place) === arrival) this.#all.delete(place);
    });
  }

  async #record({ runtime, name }: Arrival): Promise<JobSnapshot> {
    const [snapshot] = await this.#options.jobs.read(runtime.batch, [name.ordinal]);
    if (snapshot === undefined) throw new Error(`no record of job ${name.ordinal} of ${name.batch}`);
    return snapshot;
  }

  async #inTurn<T>(arrival: Arrival, work: () => Promise<T>): Promise<T> {
    const turn = arrival.busy.then(work);
    arrival.busy = turn.catch(() => undefined);
    return turn;
  }
}
