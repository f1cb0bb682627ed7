const firstPauseMs = 1000;
const stirredForMs = 60_000;

/**
 * When a node that has room and finds nothing tells the others so. It says it again, each time after twice as long, as
 * what they hold may only then have waited too long; and no more when nothing has happened for a minute, so that an idle
 * cluster is silent. Times are of `performance.now()`.
 */
export class IdleNotice {
  #stirredAt: number;
  #saidAt = Number.NEGATIVE_INFINITY;
  #pauseMs = firstPauseMs;

  /** A node that has just joined may be wanted, too. */
  constructor(now: number) {
    this.#stirredAt = now;
  }

  /** There was work, here or for others. */
  stir(now: number): void {
    this.#stirredAt = now;
    this.#pauseMs = firstPauseMs;
  }

  /** Nothing has happened for a minute. */
  isOver(now: number): boolean {
    return now - this.#stirredAt > stirredForMs;
  }

  /** Whether to say it now; it counts as said. */
  isDue(now: number): boolean {
    if (this.isOver(now) || now - this.#saidAt < this.#pauseMs) return false;
    if (this.#saidAt > this.#stirredAt) this.#pauseMs *= 2;
    this.#saidAt = now;
    return true;
  }
}
