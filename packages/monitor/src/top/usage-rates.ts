import type { AttemptUsage, NodeUsage } from '@omx/queue';

interface Reading {
  readonly at: number;
  readonly cpu: number;
}

/** CPU percentages from what nodes answer, by the difference to their last answer. */
export class UsageRates {
  #last = new Map<string, Reading>();
  #next = new Map<string, Reading>();

  /**
   * Percent of one CPU since the last look; undefined at the first one. Processes that have ended unseen take their time
   * with them, so a difference may be negative: that is nothing.
   */
  rate(node: string, { at }: Pick<NodeUsage, 'at'>, usage: AttemptUsage): number | undefined {
    const key = `${node} ${usage.batch}.${usage.ordinal}#${usage.attempt}`;
    const last = this.#last.get(key);
    this.#next.set(key, { at, cpu: usage.cpu });
    // A worker started again counts its clock from anew.
    if (last === undefined || at <= last.at) return undefined;
    return Math.max(0, ((usage.cpu - last.cpu) / (at - last.at)) * 100_000);
  }

  /** To be called after each look: what was not seen in it is forgotten. */
  turn(): void {
    this.#last = this.#next;
    this.#next = new Map();
  }
}
