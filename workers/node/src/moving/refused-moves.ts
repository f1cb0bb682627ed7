const longestMs = 16 * 60_000;

interface Refused {
  readonly until: number;
  readonly times: number;
}

/** Which moves were refused lately, so that they are not tried again and again. Times are of one clock that is not set. */
export class RefusedMoves {
  readonly #firstMs: number;
  /** By job and node. */
  readonly #refused = new Map<string, Refused>();

  /** @param firstMs so long a job is left alone by a node that would not have it; twice as long after each further time */
  constructor(firstMs: number) {
    this.#firstMs = firstMs;
  }

  add(job: string, node: string, now: number): void {
    const times = this.times(job, node);
    const pauseMs = Math.min(longestMs, this.#firstMs * 2 ** times);
    this.#refused.set(nameOf(job, node), { until: now + pauseMs, times: times + 1 });
  }

  times(job: string, node: string): number {
    return this.#refused.get(nameOf(job, node))?.times ?? 0;
  }

  has(job: string, node: string, now: number): boolean {
    return (this.#refused.get(nameOf(job, node))?.until ?? Number.NEGATIVE_INFINITY) > now;
  }

  /** Forgets what is long over, and so all jobs that have ended. */
  prune(now: number): void {
    for (const [name, { until }] of this.#refused) if (until + longestMs < now) this.#refused.delete(name);
  }
}

function nameOf(job: string, node: string): string {
  return `${job} ${node}`;
}
