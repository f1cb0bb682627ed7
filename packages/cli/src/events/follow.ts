import { type BatchId, batchId, batchNumber } from '@omx/core';
import { EventLog, globalKeys } from '@omx/queue';

import type { Session } from '../session.ts';
import { BatchFeed, wholeBatch } from './batch-feed.ts';
import { compareEvents, type OmxEvent } from './event.ts';
import { News } from './news.ts';

/** With no news the queue is asked so often whether there is any: messages may get lost. */
const pollMs = 1000;
const batchPollMs = 2000;
/** A look is followed by so many times its length of rest, however large the batch. */
const restFactor = 9;
const shortestRestMs = 20;
const shortestPollGapMs = 100;
/** A batch number is given out before its batch is there; a submitter that takes longer has died. */
const bornMs = 60_000;
/** More events than this are told before the look is over. */
const mostKept = 10_000;

interface FollowOptions {
  /** Only these batches, and until they have ended; otherwise all there are and will be, and nodes. */
  readonly selected: boolean;
  readonly signal: AbortSignal;
  readonly tell: (events: readonly OmxEvent[]) => Promise<void>;
}

/** What has been told when the following begins. */
interface Told {
  readonly feeds: readonly BatchFeed[];
  /** Where in the log of node events to go on. */
  readonly nodesAfter: string;
  /** The newest batch that is known. */
  readonly lastBatch: number;
}

interface Followed {
  readonly feed: BatchFeed;
  /** Events up to this time have been told of an earlier feed of the same batch. */
  readonly after: number;
  newest: number;
  notBefore: number;
  dueAt: number;
}

/** Tells what happens from now on; each event once, in order of time among those that are found at the same look. */
export class EventFollower {
  readonly #session: Session;
  readonly #options: FollowOptions;
  readonly #news: News;
  readonly #log: EventLog;
  readonly #followed = new Map<BatchId, Followed>();
  /** Batches that are over: when the newest of their events was. */
  readonly #over = new Map<BatchId, number>();
  readonly #awaited = new Map<BatchId, number>();
  #nodesAfter = '0';
  #lastBatch = 0;
  #found: OmxEvent[] = [];

  private constructor(session: Session, options: FollowOptions) {
    this.#session = session;
    this.#options = options;
    this.#news = new News(session.subscriber());
    this.#log = new EventLog(session.redis);
  }

  /** Listens from here on, so that nothing is missed while what has happened so far is read. */
  static async open(session: Session, options: FollowOptions): Promise<EventFollower> {
    const follower = new EventFollower(session, options);
    await follower.#news.open(!options.selected);
    return follower;
  }

  async run({ feeds, nodesAfter, lastBatch }: Told): Promise<void> {
    const { signal, selected } = this.#options;
    this.#nodesAfter = nodesAfter;
    this.#lastBatch = lastBatch;
    try {
      for (const feed of feeds) {
        if (feed.isOver && !selected) this.#over.set(feed.batch.id, feed.endedAt ?? 0);
        else await this.#follow(feed, 0);
      }
      let pollAt = 0;
      let polledAt = Number.NEGATIVE_INFINITY;
      while (!signal.aborted) {
        if (!selected && performance.now() >= pollAt) {
          this.#news.takeQueue();
          polledAt = performance.now();
          await this.#poll();
          pollAt = performance.now() + pollMs;
        }
        for (const followed of this.#followed.values()) if (this.#isDue(followed)) await this.#look(followed);
        await this.#tell();
        if (selected && this.#followed.size === 0) return;
        if (!selected && this.#news.takeQueue()) pollAt = Math.max(polledAt + shortestPollGapMs, performance.now());
        await this.#news.wait(this.#pause(selected ? Infinity : pollAt), signal);
        if (!selected && this.#news.takeQueue()) pollAt = Math.min(pollAt, polledAt + shortestPollGapMs);
      }
    } finally {
      this.#news.close();
    }
  }

  #isDue({ feed, notBefore, dueAt }: Followed): boolean {
    const now = performance.now();
    return now >= dueAt || (now >= notBefore && this.#news.has(feed.batch.id));
  }

  /** Milliseconds until something has to be looked at. */
  #pause(pollAt: number): number {
    let next = pollAt;
    for (const { feed, notBefore, dueAt } of this.#followed.values())
      next = Math.min(next, this.#news.has(feed.batch.id) ? notBefore : dueAt);
    return next - performance.now();
  }

  async #follow(feed: BatchFeed, after: number): Promise<void> {
    const { id } = feed.batch;
    this.#awaited.delete(id);
    await this.#news.follow(id);
    this.#followed.set(id, { feed, after, newest: after, notBefore: 0, dueAt: 0 });
  }

  async #look(followed: Followed): Promise<void> {
    const { feed, after } = followed;
    const { id } = feed.batch;
    this.#news.seen(id);
    const began = performance.now();
    for await (const events of feed.look()) {
      for (const event of events) {
        followed.newest = Math.max(followed.newest, event.at);
        if (event.at > after) this.#found.push(event);
      }
      if (this.#found.length > mostKept) await this.#tell();
      if (this.#options.signal.aborted) return;
    }
    if (feed.isOver) {
      this.#over.set(id, followed.newest);
      this.#followed.delete(id);
      await this.#news.leave(id);
      return;
    }
    const now = performance.now();
    followed.notBefore = now + Math.max(shortestRestMs, (now - began) * restFactor);
    followed.dueAt = Math.max(followed.notBefore, now + batchPollMs);
  }

  /** New batches, such as are run again, and what happened to nodes. */
  async #poll(): Promise<void> {
    const { redis, batches } = this.#session;
    // A batch that is run again may be over again before anybody sees it among the active ones.
    const offered = this.#news.takeOffered();
    const [last, active] = await Promise.all([redis.get(globalKeys.lastBatch), batches.active()]);
    const now = performance.now();
    for (let number = this.#lastBatch + 1; number <= Number(last ?? 0); number += 1)
      this.#awaited.set(batchId(number), now);
    this.#lastBatch = Math.max(this.#lastBatch, Number(last ?? 0));
    for (const id of [...active, ...offered])
      if (batchNumber(id) <= this.#lastBatch && !this.#followed.has(id) && !this.#awaited.has(id))
        this.#awaited.set(id, now);
    for (const [id, since] of this.#awaited) {
      const batch = await batches.find(id);
      if (batch !== undefined)
        await this.#follow(new BatchFeed(this.#session, wholeBatch(batch)), this.#over.get(id) ?? 0);
      else if (now - since > bornMs) this.#awaited.delete(id);
    }
    const { events, next } = await readNodeEvents(this.#log, this.#nodesAfter);
    this.#nodesAfter = next;
    this.#found.push(...events);
  }

  async #tell(): Promise<void> {
    const events = this.#found.sort(compareEvents);
    this.#found = [];
    if (events.length > 0) await this.#options.tell(events);
  }
}

/** All events of nodes after a place in their log. */
export async function readNodeEvents(
  log: EventLog,
  after: string,
): Promise<{ readonly events: OmxEvent[]; readonly next: string }> {
  const found: OmxEvent[] = [];
  for (let from = after; ;) {
    const { events, next } = await log.read(from);
    found.push(...events);
    if (next === from) return { events: found, next };
    from = next;
  }
}
