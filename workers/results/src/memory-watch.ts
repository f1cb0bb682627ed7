export interface MemoryWatchOptions {
  /** What all threads together may take. */
  readonly budgetBytes: number;
  readonly exceeded: () => void;
}

/** Filling memory takes a parser about a second for each GiB. */
const intervalMs = 50;

/**
 * Watches what the threads of this process take, heap and buffers. V8's own heap limit for a thread is no fence: one
 * array or map that grows across it ends the whole process, before Node can stop the thread. So that limit is set far
 * away, and this one, from outside, ends the thread first.
 *
 * The kernel counts memory by process only: a thread's part is the resident set without the main thread's own heap
 * and buffers, compared with a moment when there was no thread.
 */
export class MemoryWatch {
  readonly #options: MemoryWatchOptions;
  #baseline = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: MemoryWatchOptions) {
    this.#options = options;
  }

  /** To be called while there is no thread. */
  setBaseline(): void {
    this.#baseline = outsideMainThread();
  }

  start(): void {
    this.#timer ??= setInterval(() => this.#look(), intervalMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    const now = outsideMainThread();
    this.#baseline = Math.min(this.#baseline, now);
    if (now - this.#baseline > this.#options.budgetBytes) this.#options.exceeded();
  }
}

function outsideMainThread(): number {
  const { rss, heapTotal, external } = process.memoryUsage();
  return rss - heapTotal - external;
}
