import { percentile } from './render/percentile.ts';

/** One measured value of many jobs, kept as a plain array of numbers: 8 bytes a job. */
class Series {
  #values = new Float64Array(1024);
  #count = 0;
  sum = 0;

  add(value: number): void {
    if (this.#count === this.#values.length) {
      const wider = new Float64Array(this.#values.length * 2);
      wider.set(this.#values);
      this.#values = wider;
    }
    this.#values[this.#count] = value;
    this.#count += 1;
    this.sum += value;
  }

  sorted(): Float64Array {
    return this.#values.slice(0, this.#count).sort();
  }
}

/** Times in seconds, memory in bytes. */
export interface Measures {
  readonly real: number;
  readonly user: number;
  readonly sys: number;
  readonly maxRss: number;
}

export interface NodeUse {
  readonly name: string;
  jobs: number;
  /** Sums of its jobs, seconds. */
  real: number;
  user: number;
  sys: number;
}

export interface UsageSummary {
  readonly jobs: number;
  /** Sums over the jobs; of memory the largest. */
  readonly total: Measures;
  /** Undefined where no job has ended. */
  readonly p50: Measures | undefined;
  readonly p95: Measures | undefined;
  readonly max: Measures | undefined;
  readonly nodes: readonly NodeUse[];
}

/** Collects what ended jobs used. */
export class UsageCollector {
  readonly #series = { real: new Series(), user: new Series(), sys: new Series(), maxRss: new Series() };
  readonly #nodes = new Map<string, NodeUse>();
  #jobs = 0;

  add(job: Measures, node: string | undefined): void {
    this.#jobs += 1;
    for (const key of keys) this.#series[key].add(job[key]);
    if (node === undefined) return;
    let use = this.#nodes.get(node);
    if (use === undefined) {
      use = { name: node, jobs: 0, real: 0, user: 0, sys: 0 };
      this.#nodes.set(node, use);
    }
    use.jobs += 1;
    use.real += job.real;
    use.user += job.user;
    use.sys += job.sys;
  }

  summary(): UsageSummary {
    const sorted = Object.fromEntries(keys.map((key) => [key, this.#series[key].sorted()])) as Record<
      keyof Measures,
      Float64Array
    >;
    const at = (percent: number): Measures | undefined => {
      if (this.#jobs === 0) return undefined;
      return Object.fromEntries(keys.map((key) => [key, percentile(sorted[key], percent) ?? 0])) as unknown as Measures;
    };
    const { real, user, sys, maxRss } = this.#series;
    return {
      jobs: this.#jobs,
      total: { real: real.sum, user: user.sum, sys: sys.sum, maxRss: sorted.maxRss.at(-1) ?? maxRss.sum },
      p50: at(50),
      p95: at(95),
      max: at(100),
      nodes: [...this.#nodes.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
    };
  }
}

const keys = ['real', 'user', 'sys', 'maxRss'] as const;
