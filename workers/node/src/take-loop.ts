import { type BatchStore, globalKeys, type JobStore, type NodeStore, type NodeOffer, type Redis } from '@omx/queue';
import type { Delivery } from '@omx/queue/delivery';
import type { Logger } from 'pino';

import type { Attempts } from './attempt.ts';
import type { BatchCache, BatchRuntime } from './batch-cache.ts';
import { type Capacity, ClaimRoom, startable } from './capacity.ts';
import { aheadMs, claimAhead } from './claim-ahead.ts';
import { ClassList } from './class-list.ts';
import { Crowding } from './crowding.ts';
import type { Executor } from './executor.ts';
import type { FollowUps } from './follow-ups.ts';
import { IdleNotice } from './idle-notice.ts';
import { claim } from './intake.ts';
import { formatIdle, freeOf, type IdleNode, jobsFor, overdue } from './sharing.ts';
import { SlotSharing } from './slot-sharing.ts';

interface TakeLoopOptions {
  readonly redis: Redis;
  readonly node: NodeOffer;
  readonly capacity: () => Capacity;
  /** Whether the node takes jobs at all now. */
  readonly mayTake: () => boolean;
  readonly attempts: Attempts;
  readonly delivery: Delivery;
  readonly batches: BatchStore;
  readonly jobs: JobStore;
  readonly nodes: NodeStore;
  readonly cache: BatchCache;
  readonly executor: Executor;
  readonly followUps: FollowUps;
  readonly log: Logger;
}

/** How long a node with room waits before it looks by itself; wake-ups come at once, so this is for delayed retries. */
const idleLookMs = 1000;
/** The same where nothing has happened for a minute. */
const quietLookMs = 3000;
/** Who has given jobs to an idle node leaves them to it for so long. */
const afterSharingMs = 250;

/** What came of a look at the queue. */
type Turn = 'taken' | 'nothing' | 'full';

/** Asks for chunks while this node has room, and sleeps until something changes when it has none or the queue is empty. */
export class TakeLoop {
  readonly #options: TakeLoopOptions;
  readonly #classes: ClassList;
  readonly #crowding: Crowding;
  readonly #slotSharing: SlotSharing;
  readonly #idle = new IdleNotice(performance.now());
  #running: Promise<void> | undefined;
  #stopping = false;
  #wakeUp: (() => void) | undefined;
  #woken = false;
  /** Nothing is taken until then: the node is short of something (processes, files), or leaves work to others. */
  #restUntil = 0;
  /** The batch whose jobs were taken last: how long they run decides how many are taken ahead. */
  #latest: BatchRuntime | undefined;
  #slotsBefore = 0;
  /** The last look found nothing, and nobody has woken us since. */
  #isQuiet = false;

  constructor(options: TakeLoopOptions) {
    this.#options = options;
    this.#classes = new ClassList(options.redis, options.delivery, options.node);
    this.#crowding = new Crowding(options.nodes, options.node.name);
    this.#slotSharing = new SlotSharing(options.nodes, options.node.name);
    options.executor.onRoom = () => this.wake();
    options.executor.onShortage = (ms) => this.#rest(ms);
  }

  start(): void {
    this.#running ??= this.#loop();
  }

  /** There may be new chunks, or room again, or other slots than before. */
  wake(): void {
    this.#idle.stir(performance.now());
    this.#woken = true;
    this.#wakeUp?.();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.wake();
    await this.#running;
  }

  /** Another node has nothing to do: it gets what was claimed here, waits, and could start there at once. */
  async share(idle: IdleNode): Promise<void> {
    const { attempts, executor, capacity, node } = this.#options;
    if (idle.name === node.name) return;
    const late = overdue(capacity(), attempts.taken, executor.ready, performance.now());
    const given = await jobsFor(idle, late, this.#options);
    if (given.length === 0) return;
    this.#rest(afterSharingMs);
    executor.giveBack(given);
  }

  async #loop(): Promise<void> {
    while (!this.#stopping) {
      this.#woken = false;
      let turn: Turn = 'full';
      try {
        this.#giveBackExcess();
        turn = await this.#turn();
        if (turn === 'nothing') await this.#sayIdle();
      } catch (error) {
        this.#options.log.error({ err: error }, 'taking work failed');
      }
      if (turn === 'taken') this.#isQuiet = false;
      else await this.#sleep();
    }
  }

  async #turn(): Promise<Turn> {
    const { delivery, executor, cache, followUps } = this.#options;
    if (!this.#mayLook) return 'full';
    const capacity = await this.#capacityNow();
    if (!this.#room(capacity, this.#latest).isDue && !(await this.#mayShare())) return 'full';
    // Ahead is only claimed what is known to be short, so the batch must be known before its chunk is taken.
    const isAhead = executor.used.slots >= capacity.slots;
    let somebodyWaits = false;
    for (const each of await this.#classes.inOrder(isAhead, this.#isQuiet)) {
      if (isAhead && each.next === undefined) continue;
      const next = isAhead && each.next !== undefined ? await cache.get(each.next) : undefined;
      // What comes first and needs slots of its own would wait for ever behind those that share them.
      if (isAhead && each.demand.oversubscribe === true && !somebodyWaits)
        capacity.sharedSlots = await this.#slotSharing.slots(capacity.slots, performance.now());
      if (!this.#room(capacity, next).admits(each.demand)) {
        somebodyWaits = true;
        continue;
      }
      const chunk = await delivery.take(each.name);
      if (chunk === undefined) continue;
      const hasOffered = await claim(
        chunk,
        (runtime) => {
          this.#latest = runtime;
          return this.#room(capacity, runtime);
        },
        this.#options,
        (claimed) => executor.add(claimed),
      );
      if (hasOffered) await followUps.handOut(chunk.batch);
      return 'taken';
    }
    return isAhead ? 'full' : 'nothing';
  }

  get #mayLook(): boolean {
    const { mayTake, executor } = this.#options;
    return mayTake() && performance.now() >= this.#restUntil && !executor.isBehind;
  }

  /** For jobs that share slots only as many as for others, until it is known that such jobs wait. */
  async #capacityNow(): Promise<Capacity & { sharedSlots: number }> {
    const { capacity, executor } = this.#options;
    const now = capacity();
    const may = await this.#crowding.mayTake(now.slots, executor.used.slots, performance.now());
    const slots = may ? 1 : now.slots;
    return { ...now, slots, sharedSlots: slots };
  }

  /** All slots are taken, and there may be jobs that are content with a part of one. */
  async #mayShare(): Promise<boolean> {
    return this.#isShareable && (await this.#classes.haveSharing(this.#isQuiet));
  }

  get #isShareable(): boolean {
    const { capacity, executor } = this.#options;
    const { slots, sharedSlots = slots } = capacity();
    const used = executor.used.slots;
    return used >= slots && used < sharedSlots;
  }

  #room(capacity: Capacity, runtime: BatchRuntime | undefined): ClaimRoom {
    const { attempts, executor } = this.#options;
    const meanMs = runtime?.meanMs;
    const ahead =
      runtime === undefined || meanMs === undefined || meanMs > aheadMs * capacity.slots
        ? 0
        : claimAhead({
            slots: capacity.slots - attempts.slotsHeldFor(aheadMs),
            meanMs,
            left: runtime.batch.total - runtime.ended,
            nodes: this.#classes.nodeCount,
          });
    return new ClaimRoom(capacity, ahead, executor.used);
  }

  /** Claimed jobs go back when the node must not take any now, or for those it has no slots for any more. */
  #giveBackExcess(): void {
    const { mayTake, capacity, attempts, executor } = this.#options;
    const now = capacity();
    const shrunk = now.slots < this.#slotsBefore;
    this.#slotsBefore = now.slots;
    if (!mayTake() || shrunk) executor.recall();
    if (executor.ready.length === 0 || (mayTake() && !shrunk)) return;
    const kept = new Set(mayTake() ? startable(now, attempts.taken, executor.ready) : []);
    this.#rest(afterSharingMs);
    executor.giveBack(executor.ready.filter((attempt) => !kept.has(attempt)));
  }

  async #sayIdle(): Promise<void> {
    const { capacity, executor, redis, node } = this.#options;
    const free = freeOf(capacity(), executor.used);
    if (capacity().slots === 0 || free.slots <= 0 || !this.#idle.isDue(performance.now())) return;
    if ((await redis.scard(globalKeys.active)) === 0) return;
    await redis.publish(globalKeys.wake, formatIdle({ name: node.name, free }));
  }

  #rest(ms: number): void {
    this.#restUntil = Math.max(this.#restUntil, performance.now() + ms);
    setTimeout(() => {
      this.#woken = true;
      this.#wakeUp?.();
    }, ms + 1).unref();
  }

  async #sleep(): Promise<void> {
    this.#isQuiet = false;
    if (this.#woken || this.#stopping) return;
    const { capacity, executor, mayTake } = this.#options;
    const { slots } = capacity();
    // Without room there is nothing to look for; who offers no slots looks whether others leave work undone.
    const looks =
      mayTake() && (slots === 0 || executor.used.slots < slots || (this.#isShareable && this.#classes.hadSharing));
    await new Promise<void>((resolve) => {
      const lookMs = this.#idle.isOver(performance.now()) ? quietLookMs : idleLookMs;
      const timer = setTimeout(resolve, looks ? lookMs : 60_000);
      this.#wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wakeUp = undefined;
    // A wake-up may be about a batch of a class never seen before.
    if (this.#woken) this.#classes.expire();
    else this.#isQuiet = true;
  }
}
