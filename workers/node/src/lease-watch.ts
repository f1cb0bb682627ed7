/** Looks further apart than this say nothing about the time in between: the queue, or we, may have been away. */
const longestGapMs = 5000;

interface Watched {
  beats: number;
  leaseMs: number;
  /** Since when the counter has stood there, as far as we have looked. */
  since: number;
}

/**
 * Tells which nodes are lost by watching how often each has renewed its lease, with nobody's wall clock: a node whose
 * counter stands still for the length of its lease, in looks without a gap, is gone. Who has itself been without the
 * queue judges nobody until it has watched for a whole lease again.
 */
export class LeaseWatch {
  readonly #watched = new Map<string, Watched>();
  #lastLook = Number.NEGATIVE_INFINITY;

  /** The queue was away: nobody could renew a lease meanwhile, however short that was. */
  beginAnew(): void {
    this.#watched.clear();
  }

  /**
   * @param nodes how often each node has renewed its lease, and how long that is, milliseconds
   * @param now a clock that nobody sets, milliseconds
   * @returns the nodes that are lost, with the counter at which they stopped
   */
  look(
    nodes: ReadonlyMap<string, { readonly beats: number; readonly leaseMs: number }>,
    now: number,
  ): Map<string, number> {
    if (now - this.#lastLook > longestGapMs) this.#watched.clear();
    this.#lastLook = now;
    for (const name of this.#watched.keys()) if (!nodes.has(name)) this.#watched.delete(name);
    const lost = new Map<string, number>();
    for (const [name, { beats, leaseMs }] of nodes) {
      const known = this.#watched.get(name);
      if (known?.beats !== beats) this.#watched.set(name, { beats, leaseMs, since: now });
      else if (now - known.since >= leaseMs) lost.set(name, beats);
    }
    return lost;
  }

  /** The first moment after `now` at which a node may be found lost that is not yet; infinity when there is none. */
  nextLoss(now: number): number {
    const moments = [...this.#watched.values()].map(({ since, leaseMs }) => since + leaseMs);
    return Math.min(...moments.filter((moment) => moment > now));
  }
}
