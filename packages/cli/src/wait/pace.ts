/** Looks a second, once the first few have been spent. */
const looksPerSecond = 10;
const burst = 5;
/** A look that took long is followed by so many times its length of rest, so that waiting never loads the queue. */
const restFactor = 5;

/** Decides how soon the next look may be: a handful at once for what is soon over, then ten a second. */
export class Pace {
  #tokens = burst;
  #at: number;

  constructor(now: number) {
    this.#at = now;
  }

  /** A look was made; milliseconds to leave before the next. */
  gapAfter(startedAt: number, endedAt: number): number {
    const earned = ((endedAt - this.#at) / 1000) * looksPerSecond;
    this.#tokens = Math.min(burst, this.#tokens + Math.max(0, earned)) - 1;
    this.#at = endedAt;
    const owed = this.#tokens >= 0 ? 0 : (-this.#tokens / looksPerSecond) * 1000;
    return Math.max(owed, (endedAt - startedAt) * restFactor - 50, 0);
  }
}
