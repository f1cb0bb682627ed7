import { type CpuScope, readCpuScope } from './cpu-scope.ts';
import { CpuTally } from './cpu-tally.ts';
import { type Demand, demandOf, type Party } from './demand.ts';
import { readBootTimeMs, readLoadAverage } from './machine.ts';
import { descendants } from './process-tree.ts';
import { type ProcessStat, readProcessStat, ticksASecond } from './process.ts';
import { numericEntries } from './read.ts';
import { machineRoots, type Roots } from './roots.ts';

/** All in CPUs' worth of time, of the worker's control group if that has a quota, else of the machine. */
export interface Load {
  /** What wants to run: more than `cpus` where work waits. */
  readonly load: number;
  /** The part of `load` that is not omx's. */
  readonly externalLoad: number;
  /** What ran. */
  readonly busy: number;
  /** What there is. May be a fraction. */
  readonly cpus: number;
}

export interface LoadMeterOptions {
  /** Processes that are omx's besides this one, with all they start: the shepherd, a Redis of our own. */
  readonly own: () => readonly number[];
  readonly roots?: Roots;
  /** Milliseconds on a clock that is never set. For tests. */
  readonly now?: () => number;
}

interface Look {
  readonly at: number;
  readonly scope: CpuScope;
  /** Since boot. */
  readonly bootSeconds: number;
}

/** Counters move in steps of 10 ms: what is asked for sooner than this gets the last answer again. */
const leastMs = 200;
/** Less than this is nobody's program: an idle desktop's clock and network, and the counters' inaccuracy. */
const noiseCpus = 0.1;
const noiseShare = 0.05;
/** With fewer processors idle than this part of them, something may be waiting. */
const idleShare = 0.1;

/**
 * Measures what omx and everybody else want of the processors, over the time between two questions. CPU time used is
 * exact for both, by counters; where processors are short, what waits is counted from the states of threads. Rises are
 * told at once, falls over two questions, as MOSIX tells a node's load to the others.
 */
export class LoadMeter {
  readonly #own: () => readonly number[];
  readonly #roots: Roots;
  readonly #now: () => number;
  #ownTally = new CpuTally();
  #otherTally = new CpuTally();
  #last: Look | undefined;
  /** When all processes were looked at; not every time, as that is dear on a big machine. */
  #lastScan: Look | undefined;
  #measured: Load = { load: 0, externalLoad: 0, busy: 0, cpus: 0 };
  #answer: Load = this.#measured;

  constructor(options: LoadMeterOptions) {
    this.#own = options.own;
    this.#roots = options.roots ?? machineRoots;
    this.#now = options.now ?? (() => performance.now());
    this.sample();
  }

  /** The load since the last question. Before there is anything to compare with, nothing is busy. */
  sample(): Load {
    const at = this.#now();
    if (this.#last !== undefined && at - this.#last.at < leastMs) return this.#answer;
    const scope = readCpuScope(this.#roots);
    const look = { at, scope, bootSeconds: readBootTimeMs(this.#roots) / 1000 };
    const before = this.#last;
    this.#last = look;
    if (before === undefined || before.scope.folder !== scope.folder) return this.#begin(look);

    const now = this.#measure(before, look);
    const then = this.#measured;
    this.#measured = now;
    const told = (what: 'load' | 'externalLoad'): number => round(Math.max(now[what], (now[what] + then[what]) / 2));
    this.#answer = {
      load: told('load'),
      externalLoad: told('externalLoad'),
      busy: round(now.busy),
      cpus: round(now.cpus),
    };
    return this.#answer;
  }

  #begin(look: Look): Load {
    this.#ownTally = new CpuTally();
    this.#otherTally = new CpuTally();
    const own = this.#ownProcesses(look.scope);
    this.#ownTally.advance(own, Infinity);
    this.#otherTally.advance(this.#otherProcesses(look.scope, own), Infinity);
    this.#lastScan = look;
    this.#measured = { load: 0, externalLoad: 0, busy: 0, cpus: round(look.scope.cpus) };
    this.#answer = this.#measured;
    return this.#answer;
  }

  #measure(before: Look, look: Look): Load {
    const { cpus } = look.scope;
    const seconds = (look.at - before.at) / 1000;
    const ownStats = this.#ownProcesses(look.scope);
    const own = party(ownStats, this.#ownTally, before, seconds);
    const ownRate = own.use.total / seconds;
    const used = rateOf(before.scope.usedSeconds, look.scope.usedSeconds, seconds);
    const idle = rateOf(before.scope.idleSeconds, look.scope.idleSeconds, seconds) ?? 0;
    const isShort = Math.min(cpus - (used ?? 0), idle) < idleShare * cpus;
    const isQuiet = used !== undefined && used - ownRate < noise(used) && !isShort;
    if (isQuiet) return { load: ownRate, externalLoad: 0, busy: Math.min(cpus, used), cpus };

    const others = this.#scan(look, ownStats);
    const kernelRate = rateOfAll(others, (stat) => stat.isKernel);
    const outside = used === undefined ? rateOfAll(others) : Math.max(0, used - ownRate);
    const busy = Math.min(cpus, used ?? ownRate + outside);
    let external = Math.max(0, outside - kernelRate);
    let mine = ownRate;
    if (Math.min(cpus - busy, idle) < idleShare * cpus) {
      const demand = this.#demand(own, others, look);
      mine = Math.max(mine, demand.mine);
      external = Math.max(external, demand.external);
    }
    if (external < noise(busy)) external = 0;
    return { load: mine + external, externalLoad: external, busy, cpus };
  }

  /** CPUs' worth of time both sides want while processors are short. */
  #demand(own: Party, others: Party, look: Look): { readonly mine: number; readonly external: number } {
    // This process runs because it measures.
    const self = readProcessStat('self', this.#roots)?.pid;
    const jobs = { ...own, stats: own.stats.filter(({ pid }) => pid !== self) };
    const programs = { ...others, stats: others.stats.filter(({ isKernel }) => !isKernel) };
    const [mine, theirs] = demandOf([jobs, programs], look.bootSeconds, this.#roots);
    const hidden = this.#hiddenRunnable([mine, theirs], others, look.scope);
    return { mine: mine?.cpus ?? 0, external: (theirs?.cpus ?? 0) + hidden };
  }

  /**
   * Where not even the kernel's threads are to be seen, other users' processes are hidden (`hidepid` of proc(5)) or in
   * other containers; how many of them can run is still in the load average's count. One of those counted is us.
   */
  #hiddenRunnable(seen: readonly (Demand | undefined)[], others: Party, scope: CpuScope): number {
    if (scope.folder !== undefined || others.stats.some(({ isKernel }) => isKernel)) return 0;
    const all = readLoadAverage(this.#roots)?.runnable ?? 0;
    return Math.max(
      0,
      seen.reduce((rest, demand) => rest - (demand?.runnable ?? 0), all - 1),
    );
  }

  #scan(look: Look, own: readonly ProcessStat[]): Party {
    const since = this.#lastScan ?? look;
    this.#lastScan = look;
    return party(this.#otherProcesses(look.scope, own), this.#otherTally, since, (look.at - since.at) / 1000);
  }

  #ownProcesses(scope: CpuScope): readonly ProcessStat[] {
    const self = readProcessStat('self', this.#roots)?.pid;
    const heads = self === undefined ? this.#own() : [self, ...this.#own()];
    const pids = new Set<number>();
    for (const head of heads) {
      // Most were started by another of them.
      if (pids.has(head)) continue;
      for (const pid of descendants(head, this.#roots)) pids.add(pid);
    }
    return this.#stats([...pids].filter((pid) => scope.pids?.has(pid) !== false));
  }

  #otherProcesses(scope: CpuScope, own: readonly ProcessStat[]): readonly ProcessStat[] {
    const ours = new Set(own.map(({ pid }) => pid));
    const all = scope.pids === undefined ? numericEntries(this.#roots.proc) : [...scope.pids];
    return this.#stats(all.filter((pid) => !ours.has(pid)));
  }

  #stats(pids: readonly number[]): readonly ProcessStat[] {
    return pids.flatMap((pid) => readProcessStat(pid, this.#roots) ?? []);
  }
}

function party(stats: readonly ProcessStat[], tally: CpuTally, since: Look, seconds: number): Party {
  return { stats, use: tally.advance(stats, Math.floor(since.bootSeconds * ticksASecond)), seconds };
}

function rateOf(before: number | undefined, now: number | undefined, seconds: number): number | undefined {
  return before === undefined || now === undefined ? undefined : Math.max(0, now - before) / seconds;
}

function rateOfAll({ stats, use, seconds }: Party, which?: (stat: ProcessStat) => boolean): number {
  if (which === undefined) return use.total / seconds;
  return stats.filter(which).reduce((sum, { pid }) => sum + (use.byPid.get(pid) ?? 0), 0) / seconds;
}

function noise(busy: number): number {
  return Math.max(noiseCpus, noiseShare * busy);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
