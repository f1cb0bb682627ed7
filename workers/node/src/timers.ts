/** Work done again and again, never twice at once. */
export class Timers {
  readonly #onError: (error: unknown) => void;
  #running: NodeJS.Timeout[] = [];

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
    this.#running.push(timer);
  }

  stop(): void {
    for (const timer of this.#running) clearInterval(timer);
    this.#running = [];
  }
}
