import { bestPlace, type Place } from '@omx/balance';
import { errorOf, type NodeInfo } from '@omx/core';
import type { Shepherd } from '@omx/launch';
import { isRefusal, type MoveLog, type NodeAsker, type NodeStore, queueClock } from '@omx/queue';
import type { Logger } from 'pino';

import type { Attempt, Attempts } from '../attempt.ts';
import type { BatchCache } from '../batch-cache.ts';
import type { Mover } from './departure.ts';
import type { JobUse, MovableReader } from './movable.ts';
import { compareLeaving, type Leaving, placeOf, placesFor, type Sent } from './placement-of-moves.ts';
import { RefusedMoves } from './refused-moves.ts';

/** Where a job goes is decided late, when it can go: nodes change. */
const mostAtOnce = 2;
/** A node that would not have a job, perhaps as it was faster to take another, is asked again after so long. */
const refusedMs = 4000;
/** Of a node that leaves, a job is not kept for one that refused it so often: it was not for want of room. */
const mostRefusals = 2;
/** Where jobs that cannot go are to be requeued, one waits so long for room: others may take every slot that gets free. */
const patienceMs = 30_000;
/** While a job waits for room the others are asked so often whether they have got it. */
const lookMs = 500;
/** So many of them are asked, each of which keeps a slot for it. */
const mostAsked = 4;
const answerMs = 1000;

interface EvacuationOptions {
  readonly node: string;
  readonly attempts: Attempts;
  readonly cache: BatchCache;
  readonly nodes: Pick<NodeStore, 'list'>;
  readonly movable: Pick<MovableReader, 'measure'>;
  readonly mover: Mover;
  readonly asker: Pick<NodeAsker, 'askJson'>;
  readonly moveLog: Pick<MoveLog, 'append'>;
  readonly shepherd: Pick<Shepherd, 'end' | 'suspended'>;
  readonly log: Logger;
  readonly random?: () => number;
}

/** Why the node is to be empty, and what becomes of the jobs that cannot be moved. */
export interface Order {
  readonly why: string;
  /** They are ended and queued again. Otherwise they stay. */
  readonly requeue: boolean;
}

/** What is left to do: moves under way, and jobs that wait for their turn, or for a node that takes them. */
interface Left {
  readonly moving: number;
  readonly waiting: number;
}

/** A running job with what the decision about it needs. */
interface Candidate extends Leaving {
  readonly attempt: Attempt;
  readonly use: JobUse;
  /** Nodes that may have it. */
  readonly places: ReadonlySet<string>;
}

/**
 * Empties the node of its running jobs: moves them to the nodes that suit them best. A job for which no other has room waits
 * for one. Why one stays is said once.
 */
export class Evacuation {
  readonly #options: EvacuationOptions;
  readonly #refused = new RefusedMoves(refusedMs);
  readonly #moving = new Map<Attempt, Promise<void>>();
  #sent: Sent[] = [];
  /** Reasons that have been told, by attempt. */
  readonly #told = new Map<Attempt, Set<string>>();
  /** Since when a job waits for a node that takes it, by `performance.now()`. */
  readonly #waiting = new Map<Attempt, number>();
  readonly #requeued = new Set<Attempt>();
  #order: Order | undefined;
  #round: Promise<Left> | undefined;
  #again = false;
  /** The next look, where one waits for room. */
  #soon: NodeJS.Timeout | undefined;
  /** While the node leaves: ends the waiting. */
  #hurry: (() => void) | undefined;

  constructor(options: EvacuationOptions) {
    this.#options = options;
  }

  /**
   * Goes on emptying the node as long as that is wanted; call it again and again. Resolves when it has looked, not when the
   * moves are done.
   */
  async look(order: Order | undefined): Promise<Left> {
    this.#order = order;
    if (order === undefined) {
      for (const known of [this.#told, this.#waiting, this.#requeued]) known.clear();
      return { moving: this.#moving.size, waiting: 0 };
    }
    if (this.#round !== undefined) {
      this.#again = true;
      return this.#round;
    }
    this.#round = this.#look();
    try {
      const left = await this.#round;
      if (left.waiting > 0) this.#lookSoon();
      return left;
    } finally {
      this.#round = undefined;
    }
  }

  #lookSoon(): void {
    clearTimeout(this.#soon);
    this.#soon = setTimeout(() => {
      const { log } = this.#options;
      if (this.#order !== undefined)
        this.look(this.#order).catch((error: unknown) => log.error({ err: error }, 'emptying the node failed'));
    }, lookMs).unref();
  }

  /**
   * Moves away what can be moved, as long as `forMs` and `hurry` allow: moves are begun until then, and those under way are
   * waited for. Resolves at once where nothing can be moved.
   */
  async leave(forMs: number, why: string): Promise<void> {
    const { log } = this.#options;
    const deadline = performance.now() + forMs;
    let isOver = false;
    const over = new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, forMs);
      this.#hurry = () => {
        clearTimeout(timer);
        resolve();
      };
    }).then(() => {
      isOver = true;
    });
    for (;;) {
      // The queue may be away: that must not hold a node for longer.
      const left = await Promise.race([this.look({ why, requeue: false }), over]).catch((error: unknown) => {
        log.error({ err: error }, 'emptying the node failed');
      });
      if (isOver || left === undefined || left.moving + left.waiting === 0) break;
      await Promise.race([...this.#moving.values(), over, wait(Math.min(lookMs, deadline - performance.now()))]);
    }
    this.#hurry?.();
    this.#hurry = undefined;
    this.#order = undefined;
    await Promise.all(this.#moving.values());
  }

  /** Begins no more moves of a node that leaves. @returns whether it was still moving jobs away */
  hurry(): boolean {
    const wasLeaving = this.#hurry !== undefined;
    this.#hurry?.();
    return wasLeaving;
  }

  async #look(): Promise<Left> {
    for (;;) {
      this.#again = false;
      const left = await this.#begin();
      if (!this.#again) return left;
    }
  }

  /** Begins as many moves as may be under way. */
  async #begin(): Promise<Left> {
    const { node, nodes } = this.#options;
    const now = performance.now();
    this.#forgetEnded(now);
    const all = [...this.#options.attempts.all()];
    const running = all.filter((attempt) => this.#isCandidate(attempt));
    // In the hands of somebody else, who will soon be done with it.
    let waiting = all.filter((attempt) => attempt.inHand !== undefined && !this.#moving.has(attempt)).length;
    if (running.length === 0) return { moving: this.#moving.size, waiting };
    const known = await nodes.list();
    this.#sent = this.#sent.filter((sent) => isUnseen(sent, known));
    const self = known.find(({ name }) => name === node);
    if (self === undefined) return { moving: this.#moving.size, waiting };
    for (const candidate of await this.#candidates(running, self, known)) {
      const order = this.#order;
      if (order === undefined) break;
      const { attempt } = candidate;
      // It may have ended, or be in somebody's hands, since.
      if (!this.#isCandidate(attempt)) continue;
      const obstacle = this.#options.mover.obstacle(attempt);
      if (obstacle !== undefined) await this.#stays(attempt, order, obstacle);
      else waiting += await this.#place(candidate, order, known);
    }
    return { moving: this.#moving.size, waiting };
  }

  /** @returns 1 where the job waits for its turn or for room */
  async #place(candidate: Candidate, order: Order, known: readonly NodeInfo[]): Promise<number> {
    const { random = Math.random } = this.#options;
    const { attempt, use } = candidate;
    const now = performance.now();
    const up = known.filter(({ name, state }) => state === 'up' && candidate.places.has(name));
    const open = up.filter(({ name }) => !this.#refused.has(attempt.key, name, now));
    if (up.length === 0) {
      await this.#stays(attempt, order, 'no other node that is up may run it');
      return 0;
    }
    if (this.#moving.size >= mostAtOnce) return 1;
    const places = open.map((each) => placeOf(each, this.#sent));
    const to =
      bestPlace(
        { cpus: use.cpus, rss: use.rss, ...(attempt.oversubscribe === true ? {} : { slots: attempt.slots }) },
        places,
        { random },
      ) ?? (await this.#askForRoom(candidate, places));
    if (to !== undefined) {
      this.#move(candidate, to, order);
      return 0;
    }
    const mayYet = up.some(({ name }) => this.#refused.times(attempt.key, name) < mostRefusals);
    const reason = open.length === 0 ? `${namesOf(up)} did not take it` : `${namesOf(open)} had no room for it`;
    return this.#wait(attempt, order, reason, mayYet);
  }

  /** All that would do are full: they keep the next slot for it. @returns the first that has one */
  async #askForRoom({ attempt, use }: Candidate, places: readonly Place[]): Promise<string | undefined> {
    const { random = Math.random, asker } = this.#options;
    const { batch, ordinal, number, slots } = attempt;
    const asked: string[] = [];
    while (asked.length < mostAsked) {
      const left = places.filter(({ name }) => !asked.includes(name));
      const full = bestPlace({ cpus: use.cpus, rss: use.rss }, left, { random });
      if (full === undefined) break;
      asked.push(full);
    }
    const answers = await Promise.all(
      asked.map(async (name) =>
        asker
          .askJson(name, { type: 'expect', batch, ordinal, attempt: number, slots }, answerMs)
          .catch((error: unknown) => ({ refused: errorOf(error).message })),
      ),
    );
    return this.#isCandidate(attempt) ? asked.find((_name, at) => !isRefusal(answers[at] as object)) : undefined;
  }

  async #wait(attempt: Attempt, order: Order, reason: string, mayYet: boolean): Promise<number> {
    const now = performance.now();
    const since = this.#waiting.get(attempt) ?? now;
    this.#waiting.set(attempt, since);
    if (!order.requeue || now - since <= patienceMs) await this.#tell(attempt, order, `${reason}; it is tried again`);
    else await this.#stays(attempt, order, reason);
    return mayYet && !this.#requeued.has(attempt) ? 1 : 0;
  }

  #move({ attempt, use }: Candidate, to: string, order: Order): void {
    const { mover, log } = this.#options;
    const sent: Sent = { to, cpus: use.cpus, rss: use.rss, slots: attempt.slots };
    this.#sent.push(sent);
    const work = mover
      .move(attempt, to, order.why)
      .then(() => {
        this.#waiting.delete(attempt);
        sent.arrivedAt = queueClock.now();
      })
      .catch((error: unknown) => {
        this.#sent = this.#sent.filter((each) => each !== sent);
        this.#refused.add(attempt.key, to, performance.now());
        log.info({ job: attempt.key, to, reason: errorOf(error).message }, 'a job could not leave for that node');
      })
      .finally(() => {
        this.#moving.delete(attempt);
        if (this.#order !== undefined)
          this.look(this.#order).catch((error: unknown) => log.error({ err: error }, 'emptying the node failed'));
      });
    this.#moving.set(attempt, work);
  }

  /** It cannot be moved. */
  async #stays(attempt: Attempt, order: Order, reason: string): Promise<void> {
    if (!order.requeue) {
      await this.#tell(attempt, order, reason);
      return;
    }
    this.#requeued.add(attempt);
    await this.#tell(attempt, order, `${reason}; it was ended and queued again`);
    const { cache, shepherd } = this.#options;
    const limits = (await cache.get(attempt.batch))?.specOf(attempt.ordinal).limits;
    // The executor queues what has ended so again, uncharged. What others may have must not run on for its grace.
    shepherd.end(attempt.key, 'requeue', shepherd.suspended ? 0 : (limits?.graceMs ?? 0));
  }

  async #tell(attempt: Attempt, { why }: Order, failed: string): Promise<void> {
    const told = this.#told.get(attempt) ?? new Set();
    if (told.has(failed)) return;
    this.#told.set(attempt, told.add(failed));
    const { batch, ordinal, number } = attempt;
    const { moveLog, node: from, log } = this.#options;
    log.info({ job: attempt.key, reason: failed }, 'a job stays');
    await moveLog.append(batch, { ordinal, attempt: number, at: queueClock.now(), from, to: '', why, failed });
  }

  #isCandidate(attempt: Attempt): boolean {
    return (
      attempt.phase === 'running' &&
      attempt.inHand === undefined &&
      attempt.cancelledBy === undefined &&
      !this.#moving.has(attempt) &&
      !this.#requeued.has(attempt) &&
      this.#options.attempts.get(attempt.key) === attempt
    );
  }

  async #candidates(
    running: readonly Attempt[],
    self: NodeInfo,
    known: readonly NodeInfo[],
  ): Promise<readonly Candidate[]> {
    const { cache, movable } = this.#options;
    const uses = movable.measure();
    const found = await Promise.all(
      running.map(async (attempt) => {
        const runtime = await cache.get(attempt.batch);
        const use = uses.get(attempt.key) ?? { cpus: 1, rss: 0, cpuMs: 0 };
        return {
          attempt,
          use,
          places: new Set(runtime === undefined ? [] : placesFor(runtime.specOf(attempt.ordinal), self, known)),
          ageMs: queueClock.now() - (attempt.startedAt ?? queueClock.now()),
          meanMs: runtime?.meanMs,
        };
      }),
    );
    return found.toSorted(compareLeaving);
  }

  #forgetEnded(now: number): void {
    const { attempts } = this.#options;
    this.#refused.prune(now);
    for (const known of [this.#told, this.#waiting, this.#requeued])
      for (const attempt of known.keys()) if (attempts.get(attempt.key) !== attempt) known.delete(attempt);
  }
}

/** Whether the node may have spoken of itself last before it had that. */
function isUnseen({ to, arrivedAt = Infinity }: Sent, known: readonly NodeInfo[]): boolean {
  return known.some(({ name, lastSeen }) => name === to && lastSeen <= arrivedAt);
}

function namesOf(nodes: readonly NodeInfo[]): string {
  return nodes.map(({ name }) => name).join(', ');
}

async function wait(ms: number): Promise<void> {
  await new Promise<void>((resolve) => {
    setTimeout(resolve, Math.max(0, ms)).unref();
  });
}
