/** Work done again and again, never twice at once. */
export class Timers {
  readonly #onError: (error: unknown) => void;
  readonly #running = new Set<NodeJS.Timeout>();

  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  every(ms: number, work: () => Promise<void>): void {
    let busy = false;
    const timer = setInterval(() => {
      if (busy) return;
      busy = true;
      work()
        .catch(this.#onError)
        .finally(() => {
          busy = false;
        });
    }, ms);
    this.#running.add(timer);
  }

  /** Like `every`, but the work says in how many milliseconds it is to be done next; after `ms` where it fails. */
  repeat(ms: number, work: () => Promise<number>): void {
    const next = (inMs: number): void => {
      const timer = setTimeout(() => {
        void work()
          .catch((error: unknown) => {
            this.#onError(error);
            return ms;
          })
          .then((then) => {
            if (this.#running.delete(timer)) next(then);
          });
      }, inMs);
      this.#running.add(timer);
    };
    next(ms);
  }

  stop(): void {
    for (const timer of this.#running) clearInterval(timer);
    this.#running.clear();
  }
}
