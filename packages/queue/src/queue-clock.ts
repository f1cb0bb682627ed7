import { uptime } from 'node:os';

import type { Clock } from '@omx/core';
import type { Redis } from 'ioredis';

/** A smaller difference is left alone: it may be the journey of the question, and it harms nobody. */
const toleratedMs = 500;

/** A machine's clocks, milliseconds. */
export interface MachineClocks {
  /** The clock of the day, which can be set. */
  readonly day: () => number;
  /** One that nobody can set, and that stands still while the machine is suspended. */
  readonly steady: () => number;
  /** One that nobody can set, and that goes on meanwhile; to ask it takes longer. */
  readonly sinceBoot: () => number;
}

const ownClocks: MachineClocks = {
  day: () => Date.now(),
  steady: () => performance.now(),
  sinceBoot: () => uptime() * 1000,
};

/**
 * The server's clock, which all nodes share: a machine whose own is an hour off still writes times that fit the others',
 * also from the moment on when it is set. Before the first `sync` it is this machine's own.
 */
export class QueueClock implements Clock {
  readonly #clocks: MachineClocks;
  #offsetMs = 0;
  /** How far the clock of the day, and that since the boot, were ahead of the steady one at the last look. */
  #ahead: { readonly day: number; readonly sinceBoot: number };

  constructor(clocks: MachineClocks = ownClocks) {
    this.#clocks = clocks;
    this.#ahead = this.#look();
  }

  now(): number {
    return this.#clocks.day() - this.offsetMs;
  }

  /** This machine's clock minus the server's, milliseconds; 0 where they agree well enough. */
  get offsetMs(): number {
    this.#noticeStep();
    return this.#offsetMs;
  }

  /** A time this machine's clock gave, as the server would say it. */
  fromLocal(at: number): number {
    return at - this.offsetMs;
  }

  /** Asks the server. */
  async sync(redis: Redis): Promise<void> {
    const asked = this.#clocks.day();
    this.hear(await redis.time(), asked);
  }

  /**
   * Takes the server's answer to TIME, just arrived, to a question of that time. The server read its clock at some moment
   * in between, so an answer that was long under way says little: it only puts right what it cannot agree with.
   */
  hear([seconds, micros]: readonly (string | number)[], asked: number): void {
    const server = Number(seconds) * 1000 + Number(micros) / 1000;
    const [least, most] = [asked - server, this.#clocks.day() - server];
    const fits = (offset: number): boolean => offset >= least - toleratedMs && offset <= most + toleratedMs;
    // Negative: the clock was set meanwhile.
    const took = most - least;
    if (took < 0 || (took > 2 * toleratedMs && fits(this.offsetMs))) return;
    this.#offsetMs = fits(0) ? 0 : Math.round((least + most) / 2);
    this.#ahead = this.#look();
  }

  /** Somebody has set the clock since the last look: it is off by so much more, and the server's is what it was. */
  #noticeStep(): void {
    const { day, steady } = this.#clocks;
    if (Math.abs(day() - steady() - this.#ahead.day) <= toleratedMs) return;
    const before = this.#ahead;
    this.#ahead = this.#look();
    // The time of a suspended machine has passed for everybody.
    const step = this.#ahead.day - before.day - (this.#ahead.sinceBoot - before.sinceBoot);
    const offset = Math.round(this.#offsetMs + step);
    if (Math.abs(step) > toleratedMs) this.#offsetMs = Math.abs(offset) <= toleratedMs ? 0 : offset;
  }

  #look(): { day: number; sinceBoot: number } {
    const { day, steady, sinceBoot } = this.#clocks;
    const now = steady();
    return { day: day() - now, sinceBoot: sinceBoot() - now };
  }
}

/** The clock of this process's queue. */
export const queueClock = new QueueClock();
