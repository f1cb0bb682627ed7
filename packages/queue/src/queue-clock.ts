import type { Clock } from '@omx/core';
import type { Redis } from 'ioredis';

/** A smaller difference is left alone: it may be the journey of the question, and it harms nobody. */
const toleratedMs = 500;

/**
 * The server's clock, which all nodes share: a machine whose own is an hour off still writes times that fit the others'.
 * Before the first `sync` it is this machine's own.
 */
export class QueueClock implements Clock {
  #offsetMs = 0;

  now(): number {
    return Date.now() - this.#offsetMs;
  }

  /** This machine's clock minus the server's, milliseconds; 0 where they agree well enough. */
  get offsetMs(): number {
    return this.#offsetMs;
  }

  /** A time this machine's clock gave, as the server would say it. */
  fromLocal(at: number): number {
    return at - this.#offsetMs;
  }

  /** Asks the server. */
  async sync(redis: Redis): Promise<void> {
    const asked = Date.now();
    this.hear(await redis.time(), asked);
  }

  /**
   * Takes the server's answer to TIME, just arrived, to a question of that time. The server read its clock at some moment
   * in between, so an answer that was long under way says little: it only puts right what it cannot agree with.
   */
  hear([seconds, micros]: readonly (string | number)[], asked: number): void {
    const server = Number(seconds) * 1000 + Number(micros) / 1000;
    const [least, most] = [asked - server, Date.now() - server];
    const fits = (offset: number): boolean => offset >= least - toleratedMs && offset <= most + toleratedMs;
    // Negative: the clock was set meanwhile.
    const took = most - least;
    if (took < 0 || (took > 2 * toleratedMs && fits(this.#offsetMs))) return;
    this.#offsetMs = fits(0) ? 0 : Math.round((least + most) / 2);
  }
}

/** The clock of this process's queue. */
export const queueClock = new QueueClock();
