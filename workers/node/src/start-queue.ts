import { isOmxError } from '@omx/core';
import type { Shepherd, StartRequest } from '@omx/launch';
import type { BatchStore } from '@omx/queue';
import type { Logger } from 'pino';

import type { Attempt, Attempts } from './attempt.ts';
import { type AttemptEnds, shortageMs } from './attempt-ends.ts';
import type { BatchCache } from './batch-cache.ts';
import { type Capacity, startable } from './capacity.ts';
import { shortOf } from './ending.ts';
import { Followers, takesTheSame } from './followers.ts';
import type { Resumer, Starts } from './moving/resume-from-image.ts';
import type { Starter } from './starter.ts';

interface StartQueueOptions {
  readonly batches: BatchStore;
  readonly cache: BatchCache;
  readonly shepherd: Shepherd;
  readonly attempts: Attempts;
  readonly node: string;
  readonly capacity: () => Capacity;
  readonly starter: Starter;
  readonly resumer: Resumer;
  readonly ends: AttemptEnds;
  /** Hears of attempts that begin from an image. */
  readonly starts: Starts;
  readonly onShortage: (everyJob: boolean) => void;
  /** All that was claimed has been sent. */
  readonly onEmpty: () => void;
  readonly log: Logger;
}

interface Wanted {
  readonly attempt: Attempt;
  readonly request: StartRequest;
}

/** Claimed jobs on their way to the shepherd: those that wait for a slot, and those that wait there for another to end. */
export class StartQueue {
  readonly #options: StartQueueOptions;
  #ready: Attempt[] = [];
  readonly #followers = new Followers();
  #isStarting = false;
  #leaving = false;
  #resting: NodeJS.Timeout | undefined;

  constructor(options: StartQueueOptions) {
    this.#options = options;
  }

  /** Claimed and not with the shepherd, the next first. */
  get ready(): readonly Attempt[] {
    return this.#ready;
  }

  /** With the shepherd, where each waits for another to end. */
  get following(): ReadonlySet<Attempt> {
    return this.#followers.waiting;
  }

  add(attempts: readonly Attempt[]): void {
    this.#ready.push(...attempts);
    this.wake();
  }

  /** These are no longer to be started. */
  withdraw(attempts: ReadonlySet<Attempt>): void {
    this.#ready = this.#ready.filter((attempt) => !attempts.has(attempt));
  }

  /** Nothing is started any more. */
  leave(): void {
    this.#leaving = true;
  }

  /** Nothing is started for a while: the node is short of something, and all that was claimed would be refused, too. */
  rest(): void {
    this.#resting ??= setTimeout(() => {
      this.#resting = undefined;
      this.wake();
    }, shortageMs).unref();
  }

  /** It has ended, or was refused; the next of its row has started for it. */
  over(attempt: Attempt): void {
    const next = this.#followers.over(attempt);
    if (next !== undefined) this.#options.attempts.move(next, 'starting');
  }

  /** Whether those that wait for this one will do so for longer than for most jobs. */
  hasPatience(lead: Attempt): boolean {
    return this.#followers.arePatient(lead);
  }

  /** Nobody is to wait for the end of this one: those who do come back, unless they start meanwhile. */
  recallBehind(lead: Attempt): void {
    for (const attempt of this.#followers.close(lead)) this.#options.shepherd.recall(attempt.key);
  }

  /** All that wait come back, unless they start meanwhile. */
  recallAll(): void {
    for (const attempt of this.#followers.closeAll()) this.#options.shepherd.recall(attempt.key);
  }

  /** It waits for a slot once more. */
  again(attempt: Attempt): void {
    this.#options.attempts.move(attempt, 'ready');
    this.#ready.unshift(attempt);
  }

  /** There may be room. */
  wake(): void {
    if (this.#isStarting) return;
    this.#isStarting = true;
    this.#start().catch((error: unknown) => this.#options.log.error({ err: error }, 'jobs could not be started'));
  }

  /**
   * Nothing where the job cannot be started here; that is then its end.
   * @throws where it can be for all we know, only not now
   */
  async request(attempt: Attempt): Promise<StartRequest[]> {
    const { attempts, batches, cache, node, ends } = this.#options;
    const runtime = await cache.get(attempt.batch);
    if (runtime === undefined) {
      attempts.remove(attempt);
      return [];
    }
    try {
      if (await this.#options.resumer.takes(runtime, attempt, this.#options.starts)) return [];
      return [await this.#options.starter.request(runtime, attempt)];
    } catch (error) {
      // No room for the folder of its output, say.
      if (shortOf((error as NodeJS.ErrnoException).code) !== undefined) throw error;
      const why = isOmxError(error)
        ? `${error.message}${error.hint === undefined ? '' : `; ${error.hint}`}`
        : String(error);
      await batches.addNote(attempt.batch, `${attempt.key} on ${node}: ${why}`);
      ends.refuse(attempt, isOmxError(error) ? 'launcher-unavailable' : 'other');
      return [];
    }
  }

  async #start(): Promise<void> {
    const { attempts, cache, capacity } = this.#options;
    try {
      for (;;) {
        const [first] = this.#ready;
        const likelyMs = first === undefined ? undefined : (await cache.get(first.batch))?.likelyMs;
        const isClosed = this.#leaving || this.#resting !== undefined;
        const starting = isClosed ? [] : startable(capacity(), attempts.taken, this.#ready);
        const following = starting.length > 0 || isClosed ? [] : this.#toFollow(likelyMs);
        if (starting.length === 0 && following.length === 0) break;
        await this.#send(starting, 'starting', likelyMs);
        await this.#send(following, 'next', likelyMs);
      }
    } finally {
      // In the same turn as the last look, so that no job that comes now is overlooked.
      this.#isStarting = false;
    }
    if (this.#ready.length > 0) return;
    this.#fetchBack();
    this.#options.onEmpty();
  }

  /** Slots are free, and some still wait for others to end. */
  #fetchBack(): void {
    const { attempts, capacity, shepherd } = this.#options;
    const free = this.#leaving ? 0 : capacity().slots - attempts.taken.slots;
    for (const { key } of free > 0 ? this.#followers.closePatient(free) : []) shepherd.recall(key);
  }

  /** Those that wait for a slot and may follow others of their batch. */
  #toFollow(likelyMs: number | undefined): Attempt[] {
    const { attempts, capacity, shepherd } = this.#options;
    const [first] = this.#ready;
    if (first === undefined || attempts.taken.slots > capacity().slots || shepherd.suspended) return [];
    const room = this.#followers.room(first, likelyMs);
    const other = this.#ready.findIndex((each) => !isAlike(each, first));
    return this.#ready.slice(0, other === -1 ? room : Math.min(room, other));
  }

  async #send(chosen: readonly Attempt[], phase: 'starting' | 'next', likelyMs: number | undefined): Promise<void> {
    const { attempts, ends, shepherd } = this.#options;
    if (chosen.length === 0) return;
    const sent = new Set(chosen);
    this.withdraw(sent);
    for (const attempt of sent) attempts.move(attempt, phase);
    const requests = await this.#requests(sent);
    for (const attempt of sent) {
      if (attempt.fenced === true) attempts.remove(attempt);
      else if (this.#leaving && attempt.phase === phase) ends.handBack(attempt);
    }
    const wanted: Wanted[] = [];
    for (const request of requests) {
      const attempt = attempts.get(request.key);
      if (attempt?.phase === phase) wanted.push({ attempt, request });
    }
    if (wanted.length > 0)
      shepherd.start(phase === 'starting' ? this.#lead(wanted, likelyMs) : this.#follow(wanted, likelyMs));
  }

  #lead(wanted: readonly Wanted[], likelyMs: number | undefined): StartRequest[] {
    for (const { attempt } of wanted) this.#followers.lead(attempt, likelyMs);
    return wanted.map(({ request }) => request);
  }

  #follow(wanted: readonly Wanted[], likelyMs: number | undefined): StartRequest[] {
    const before = this.#followers.add(
      wanted.map(({ attempt }) => attempt),
      likelyMs,
    );
    // All that they could have followed have ended meanwhile, so there are slots for them.
    for (const { attempt } of wanted.slice(before.length).toReversed()) this.again(attempt);
    return before.map(({ key }, at) => ({ ...(wanted[at] as Wanted).request, after: key }));
  }

  async #requests(sent: Iterable<Attempt>): Promise<StartRequest[]> {
    const { ends, log, onShortage } = this.#options;
    const requests: StartRequest[] = [];
    for (const attempt of sent) {
      try {
        requests.push(...(await this.request(attempt)));
      } catch (error) {
        log.error({ err: error, job: attempt.key }, 'a job could not be started; it goes back');
        onShortage(true);
        ends.giveBack(attempt, shortageMs);
      }
    }
    return requests;
  }
}

/** Whether one may follow where the other might; a job that is tried again may go on from an image instead. */
function isAlike(attempt: Attempt, first: Attempt): boolean {
  return takesTheSame(attempt, first) && attempt.number === 1;
}
