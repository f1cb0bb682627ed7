import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Worker } from 'node:worker_threads';
import type { Piscina } from 'piscina';
import type { ThreadResult, ThreadTask } from './entry/parse-output.ts';
import { MemoryWatch } from './memory-watch.ts';
import { settledWithin } from './settled-within.ts';

export interface ThreadOptions {
  readonly threads: number;
  readonly timeoutMs: number;
  readonly maxOldGenerationMb: number;
  /** An unused thread is given back after so long. */
  readonly idleMs: number;
}

/** What became of a task: an answer, an end by us, or the death of its thread. */
export type ThreadEnd =
  | { readonly kind: 'answer'; readonly result: ThreadResult }
  | { readonly kind: 'timed-out' }
  | { readonly kind: 'out-of-memory' }
  | { readonly kind: 'died'; readonly error: unknown };

/** A task in a thread, and how it was cut short. */
interface Run {
  readonly controller: AbortController;
  cut?: ThreadEnd;
}

/**
 * Node 20 runs no TypeScript in a thread, so the entry is always the built file: from `dist` and from `src` alike
 * (tests) this leads to `dist/entry`.
 */
const entry = fileURLToPath(new URL('../dist/entry/parse-output.js', import.meta.url));

/** Beside what a parser holds, a thread has stacks, code, the output's bytes and garbage not yet collected. */
const threadOverheadMb = 256;
/** A thread in native code ends only after it. */
const endGraceMs = 1_000;
const mebibyte = 1024 * 1024;

/**
 * The piscina threads of a pool, started at the first task. The caller gives no more tasks at once than there are
 * threads: piscina does not replace an aborted thread for tasks in its own queue.
 */
export class ParserThreads {
  readonly #options: ThreadOptions;
  readonly #watch: MemoryWatch;
  readonly #runs = new Set<Run>();
  /** Threads told to end that piscina has already forgotten. */
  readonly #ending = new Set<Promise<unknown>>();
  #starting: Promise<Piscina<ThreadTask, ThreadResult>> | undefined;

  constructor(options: ThreadOptions) {
    this.#options = options;
    this.#watch = new MemoryWatch({
      budgetBytes: options.threads * (options.maxOldGenerationMb + threadOverheadMb) * mebibyte,
      exceeded: () => void this.#outOfMemory(),
    });
  }

  async run(task: ThreadTask, transferList: readonly ArrayBuffer[]): Promise<ThreadEnd> {
    this.#starting ??= startPiscina(this.#options);
    const run: Run = { controller: new AbortController() };
    let timer: NodeJS.Timeout | undefined;
    try {
      const piscina = await this.#starting;
      if (piscina.threads.length === 0) this.#watch.setBaseline();
      this.#runs.add(run);
      this.#watch.start();
      timer = setTimeout(() => this.#cut(piscina, [run], { kind: 'timed-out' }), this.#options.timeoutMs);
      const result = await piscina.run(task, {
        // Given here and not to the pool: a file that cannot be loaded then fails its task, instead of leaving it waiting.
        filename: entry,
        signal: run.controller.signal,
        transferList: [...transferList],
      });
      return { kind: 'answer', result };
    } catch (error) {
      if (run.cut === undefined) return endOf(error);
      // Its memory and its processor are free for the next task only then.
      await settledWithin(Promise.all(this.#ending), endGraceMs);
      return run.cut;
    } finally {
      clearTimeout(timer);
      this.#runs.delete(run);
      if (this.#runs.size === 0) this.#watch.stop();
    }
  }

  /** Ends every thread and waits for it, but not for ever. */
  async close(graceMs: number): Promise<void> {
    const piscina = await this.#starting?.catch(() => undefined);
    this.#starting = undefined;
    await settledWithin(Promise.all([piscina?.destroy(), ...this.#ending]), graceMs);
  }

  /** Nobody can tell which thread it is, so all that run are ended. */
  async #outOfMemory(): Promise<void> {
    const runs = [...this.#runs].filter(({ cut }) => cut === undefined);
    const piscina = await this.#starting;
    if (piscina !== undefined) this.#cut(piscina, runs, { kind: 'out-of-memory' });
  }

  /** Aborting makes piscina terminate the task's thread and forget it at once; its real end is for us to await. */
  #cut(piscina: Piscina, runs: readonly Run[], end: ThreadEnd): void {
    const before = piscina.threads;
    for (const run of runs) {
      run.cut ??= end;
      run.controller.abort();
    }
    const after = new Set<Worker>(piscina.threads);
    for (const thread of before) if (!after.has(thread)) this.#awaitEnd(thread);
  }

  #awaitEnd(thread: Worker): void {
    const end = once(thread, 'exit').catch(() => undefined);
    this.#ending.add(end);
    void end.then(() => this.#ending.delete(end));
  }
}

async function startPiscina(options: ThreadOptions): Promise<Piscina<ThreadTask, ThreadResult>> {
  const { Piscina } = await import('piscina');
  const piscina = new Piscina<ThreadTask, ThreadResult>({
    minThreads: 0,
    maxThreads: options.threads,
    idleTimeout: options.idleMs,
    // The last resort only; see MemoryWatch.
    resourceLimits: { maxOldGenerationSizeMb: Math.max(2048, 8 * options.maxOldGenerationMb) },
    // Not the options of the main process: a debugger or a loader there is not meant for parsers.
    execArgv: [],
    argv: [],
    recordTiming: false,
  });
  // A thread that dies between two tasks has harmed nobody; without a listener the event would end the process.
  piscina.on('error', () => undefined);
  return piscina;
}

function endOf(error: unknown): ThreadEnd {
  const outOfMemory = error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY';
  return outOfMemory ? { kind: 'out-of-memory' } : { kind: 'died', error };
}
