import { CpuTally } from './cpu-tally.ts';
import { demandOf, type Party } from './demand.ts';
import { readBootTimeMs } from './machine.ts';
import { type ProcessStat, ticksASecond } from './process.ts';
import { machineRoots, type Roots } from './roots.ts';

/** Counters move in steps of 10 ms: what is asked for sooner than this gets the last answer again. */
const leastMs = 200;
/** Of what was wanted before, so much counts a second later: a job that reads a file now and then is not idle. */
const keptASecond = 0.75;

interface DemandMeterOptions {
  readonly roots?: Roots;
  /** Milliseconds on a clock that is never set. For tests. */
  readonly now?: () => number;
}

/** What groups of processes want of the processors, over the last seconds. Each group is known by a key that stays. */
export class DemandMeter<Key> {
  readonly #roots: Roots;
  readonly #now: () => number;
  readonly #tallies = new Map<Key, CpuTally>();
  readonly #wanted = new Map<Key, number>();
  #at: number | undefined;

  constructor({ roots = machineRoots, now = () => performance.now() }: DemandMeterOptions = {}) {
    this.#roots = roots;
    this.#now = now;
  }

  /**
   * @param groups - all there are now; one that is left out is forgotten
   * @param isShort - processors are short, so what waits for one counts, too
   * @returns in CPUs; nothing for a group that is seen for the first time
   */
  look(groups: ReadonlyMap<Key, readonly ProcessStat[]>, isShort: boolean): ReadonlyMap<Key, number> {
    const now = this.#now();
    if (this.#at !== undefined && now - this.#at < leastMs) return this.#wanted;
    const bootSeconds = readBootTimeMs(this.#roots) / 1000;
    const seconds = this.#at === undefined ? 0 : (now - this.#at) / 1000;
    this.#at = now;
    for (const key of this.#tallies.keys()) {
      if (groups.has(key)) continue;
      this.#tallies.delete(key);
      this.#wanted.delete(key);
    }
    const known: { key: Key; party: Party }[] = [];
    for (const [key, stats] of groups) {
      const tally = this.#tallies.get(key);
      if (tally === undefined) {
        const begun = new CpuTally();
        begun.advance(stats, Infinity);
        this.#tallies.set(key, begun);
      } else {
        const use = tally.advance(stats, Math.floor((bootSeconds - seconds) * ticksASecond));
        known.push({ key, party: { stats, use, seconds } });
      }
    }
    const waiting = isShort
      ? demandOf(
          known.map(({ party }) => party),
          bootSeconds,
          this.#roots,
        )
      : [];
    const kept = keptASecond ** seconds;
    for (const [at, { key, party }] of known.entries()) {
      const wanted = Math.max(party.use.total / seconds, waiting[at]?.cpus ?? 0);
      const before = this.#wanted.get(key);
      this.#wanted.set(key, before === undefined ? wanted : kept * before + (1 - kept) * wanted);
    }
    return this.#wanted;
  }
}
