import { type BatchStore, globalKeys, type JobStore, type Redis } from '@omx/queue';
import type { Delivery } from '@omx/queue/delivery';
import type { Logger } from 'pino';

import type { Attempts } from './attempt.ts';
import type { BatchCache, BatchRuntime } from './batch-cache.ts';
import type { Executor } from './executor.ts';
import { claim, claimAhead } from './intake.ts';
import { satisfies } from './placement.ts';

interface TakeLoopOptions {
  readonly redis: Redis;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly slots: number;
  readonly attempts: Attempts;
  readonly delivery: Delivery;
  readonly batches: BatchStore;
  readonly jobs: JobStore;
  readonly cache: BatchCache;
  readonly executor: Executor;
  readonly log: Logger;
}

/** How long a node with room waits before it looks by itself; wake-ups come at once, so this is for delayed retries. */
const idleLookMs = 1000;

/** Asks for chunks while this node has room, and sleeps until something changes when it has none or the queue is empty. */
export class TakeLoop {
  readonly #options: TakeLoopOptions;
  #running: Promise<void> | undefined;
  #stopping = false;
  #wakeUp: (() => void) | undefined;
  #woken = false;
  #classes: string[] = [];
  #classesAt = 0;
  /** While the node is short of something (processes, files), nothing is taken until then. */
  #restUntil = 0;
  /** The batch whose jobs were taken last: how long they run decides how many are taken ahead. */
  #latest: BatchRuntime | undefined;

  constructor(options: TakeLoopOptions) {
    this.#options = options;
    options.executor.onRoom = () => this.wake();
    options.executor.onShortage = (ms) => {
      this.#restUntil = Date.now() + ms;
    };
  }

  start(): void {
    this.#running ??= this.#loop();
  }

  /** There may be new chunks, or room again. */
  wake(): void {
    this.#woken = true;
    this.#wakeUp?.();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.wake();
    await this.#running;
  }

  async #loop(): Promise<void> {
    while (!this.#stopping) {
      this.#woken = false;
      try {
        if (!(await this.#turn())) await this.#sleep();
      } catch (error) {
        this.#options.log.error({ err: error }, 'taking work failed');
        await this.#sleep();
      }
    }
  }

  /** @returns whether there may be more to take at once */
  async #turn(): Promise<boolean> {
    const { delivery, executor, cache } = this.#options;
    if (this.#room() <= 0) return false;
    for (const placementClass of await this.#myClasses()) {
      const chunk = await delivery.take(placementClass);
      if (chunk === undefined) continue;
      this.#latest = await cache.get(chunk.batch);
      const claimed = await claim(chunk, Math.max(1, this.#room()), this.#options);
      executor.add(claimed);
      return true;
    }
    return false;
  }

  #room(): number {
    const { attempts, slots, executor } = this.#options;
    if (Date.now() < this.#restUntil || executor.isBehind) return 0;
    return slots + claimAhead(slots, this.#latest?.meanMs) - attempts.slotsTaken - executor.readySlots;
  }

  async #myClasses(): Promise<string[]> {
    const { redis, name, labels } = this.#options;
    if (Date.now() - this.#classesAt > 500) {
      const all = await redis.smembers(globalKeys.classes);
      // Chunks that ask for this node first: others may take the rest.
      this.#classes = all
        .filter((each) => satisfies(each, name, labels))
        .sort((a, b) => Number(a === 'any') - Number(b === 'any'));
      this.#classesAt = Date.now();
    }
    return this.#classes;
  }

  async #sleep(): Promise<void> {
    if (this.#woken || this.#stopping) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.#room() > 0 || this.#restUntil > 0 ? idleLookMs : 60_000);
      this.#wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wakeUp = undefined;
    // A wake-up may be about a batch of a class never seen before.
    if (this.#woken) this.#classesAt = 0;
  }
}
