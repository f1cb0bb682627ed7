import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Load, LoadMeter } from '../../src/host/load-meter.ts';
import { treeOf } from '../fixture.ts';

export interface ProcessFacts {
  readonly parent?: number;
  readonly state?: string;
  /** States of its threads besides the first. */
  readonly threads?: readonly string[];
  readonly isKernel?: boolean;
  /** CPU seconds it used before it was first seen. */
  readonly past?: number;
}

interface Process extends Required<ProcessFacts> {
  readonly start: number;
  used: number;
  reaped: number;
}

export const meterPid = 50;
export const shepherdPid = 60;

/** A machine that exists as files only: its processes use the CPU time they are told to, and its clock stands still. */
export class Machine {
  readonly roots = treeOf({ 'proc/self/cgroup': '0::/\n', 'proc/loadavg': '0 0 0 1/9 9\n' });
  readonly cpus: number;
  readonly processes = new Map<number, Process>();
  meter!: LoadMeter;
  #now = 1000;
  #used = 5;
  #idle = 7;

  constructor(cpus: number) {
    this.cpus = cpus;
    this.add(2, { isKernel: true });
    this.add(meterPid, { state: 'R' });
    this.add(shepherdPid);
  }

  /** Starts to measure. */
  watch(...helpers: readonly number[]): this {
    this.save();
    this.meter = new LoadMeter({
      own: () => [shepherdPid, ...helpers],
      roots: this.roots,
      now: () => this.#now * 1000,
    });
    return this;
  }

  add(pid: number, facts: ProcessFacts = {}): void {
    const { parent = 1, state = 'S', threads = [], isKernel = false, past = 0 } = facts;
    this.processes.set(pid, {
      parent,
      state,
      threads,
      isKernel,
      past,
      start: past > 0 ? 1 : this.#now,
      used: past,
      reaped: 0,
    });
  }

  /** A CPU-bound job of ours. */
  addJob(pid: number): void {
    this.add(pid, { parent: shepherdPid, state: 'R' });
  }

  /** It ends; its parent, if it is one of ours, waits for it and has its time from now on. */
  end(pid: number): void {
    const ended = this.processes.get(pid);
    const parent = this.processes.get(ended?.parent ?? 0);
    if (ended !== undefined && parent !== undefined) parent.reaped += ended.used + ended.reaped;
    this.processes.delete(pid);
    rmSync(join(this.roots.proc, String(pid)), { recursive: true });
  }

  /** Two seconds go by in which the processes use this many CPUs each, and processes that are not in /proc `unseen`. */
  beat(rates: Readonly<Record<number, number>>, unseen = 0): Load {
    const seconds = 2;
    let used = unseen * seconds;
    for (const [pid, rate] of Object.entries(rates)) {
      const process = this.processes.get(Number(pid));
      if (process === undefined) throw new Error(`no process ${pid}`);
      process.used += rate * seconds;
      used += rate * seconds;
    }
    return this.pass(seconds, used);
  }

  pass(seconds: number, used: number): Load {
    this.#now += seconds;
    this.#used += used;
    this.#idle += this.cpus * seconds - used;
    this.save();
    return this.meter.sample();
  }

  write(path: string, text: string): void {
    mkdirSync(dirname(join(this.roots.top, path)), { recursive: true });
    writeFileSync(join(this.roots.top, path), text);
  }

  save(): void {
    const each = (total: number): number => Math.round((total * 100) / this.cpus);
    const lines = Array.from(
      { length: this.cpus },
      (_, cpu) => `cpu${cpu} ${each(this.#used)} 0 0 ${each(this.#idle)} 0 999 999 0 0 0`,
    );
    this.write('proc/stat', `cpu  1 2 3 4\n${lines.join('\n')}\nintr 12\n`);
    this.write('proc/uptime', `${this.#now}.00 1.00\n`);
    for (const [pid, process] of this.processes) this.#saveProcess(pid, process);
    this.write('proc/self/stat', this.#stat(meterPid, this.#get(meterPid)));
  }

  #saveProcess(pid: number, process: Process): void {
    this.write(`proc/${pid}/stat`, this.#stat(pid, process));
    const children = [...this.processes].filter(([, { parent }]) => parent === pid).map(([child]) => `${child} `);
    this.write(`proc/${pid}/task/${pid}/children`, children.join(''));
    this.write(`proc/${pid}/task/${pid}/stat`, this.#stat(pid, process));
    for (const [index, state] of process.threads.entries())
      this.write(`proc/${pid}/task/${pid * 100 + index}/stat`, this.#stat(pid, { ...process, state }));
  }

  #stat(pid: number, process: Process): string {
    const { state, parent, isKernel, used, reaped, start, threads } = process;
    const flags = isKernel ? 0x00208040 : 0x00400000;
    const ticks = [used, 0, reaped, 0].map((seconds) => Math.round(seconds * 100));
    const head = [state, parent, pid, pid, 0, -1, flags, 1, 2, 3, 4, ...ticks, 20, 0];
    return `${pid} (a b) ${[...head, threads.length + 1, 0, Math.round(start * 100), 9999, 10].join(' ')}\n`;
  }

  #get(pid: number): Process {
    const process = this.processes.get(pid);
    if (process === undefined) throw new Error(`no process ${pid}`);
    return process;
  }
}
