const pauseMs = 1000;
/** So old may what is shown be before it is said. */
const lateMs = 3500;

/**
 * Reads something again and again, a second after the last answer, and keeps the newest. While the queue is away its
 * commands wait; then the newest grows old, which is all that needs to be noticed.
 */
export class Poller<T> {
  readonly #read: () => Promise<T>;
  readonly #onNews: () => void;
  readonly #onFault: (error: unknown) => void;
  #newest: T | undefined;
  #readAt = performance.now();
  #refusal: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #reading = false;
  #again = false;
  #stopped = false;

  /** @param on.fault called for errors that are not the queue's */
  constructor(read: () => Promise<T>, on: { readonly news: () => void; readonly fault: (error: unknown) => void }) {
    this.#read = read;
    this.#onNews = on.news;
    this.#onFault = on.fault;
  }

  get newest(): T | undefined {
    return this.#newest;
  }

  /** What is wrong with the queue; undefined while it answers. */
  get trouble(): string | undefined {
    if (this.#refusal !== undefined) return `the queue refuses: ${this.#refusal}`;
    const ageMs = performance.now() - this.#readAt;
    return ageMs < lateMs ? undefined : `the queue has been away for ${Math.round(ageMs / 1000)} s`;
  }

  /** Reads now, or again as soon as the reading that is under way has ended. */
  poll(): void {
    clearTimeout(this.#timer);
    if (this.#stopped) return;
    if (this.#reading) {
      this.#again = true;
      return;
    }
    this.#reading = true;
    this.#read()
      .then(
        (value) => {
          this.#newest = value;
          this.#readAt = performance.now();
          this.#refusal = undefined;
        },
        (error: unknown) => this.#failed(error),
      )
      .finally(() => {
        this.#reading = false;
        if (this.#stopped) return;
        this.#onNews();
        if (this.#again) this.poll();
        else this.#timer = setTimeout(() => this.poll(), pauseMs);
        this.#again = false;
      })
      .catch((error: unknown) => this.#onFault(error));
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #failed(error: unknown): void {
    if (this.#stopped) return;
    // ioredis gives what the server says this name: it is there, and cannot (loading, out of memory, no rights).
    if (error instanceof Error && error.name === 'ReplyError') this.#refusal = error.message;
    else this.#onFault(error);
  }
}
