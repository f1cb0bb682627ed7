import type { Attempt } from './attempt.ts';

/** Tells of attempts that have run for so long, and looks at none before: most end sooner. */
export class StillRunning {
  readonly #waitMs: number;
  readonly #tell: (attempt: Attempt, startedAt: number) => void;
  readonly #lately: Attempt[] = [];

  constructor(waitMs: number, tell: (attempt: Attempt, startedAt: number) => void) {
    this.#waitMs = waitMs;
    this.#tell = tell;
  }

  /** It has started just now. One that comes while others wait is told of with them, so a little early. */
  soon(attempt: Attempt): void {
    this.#lately.push(attempt);
    if (this.#lately.length > 1) return;
    setTimeout(() => {
      for (const started of this.#lately.splice(0)) {
        if (started.phase === 'running' && started.startedAt !== undefined) this.#tell(started, started.startedAt);
      }
    }, this.#waitMs);
  }
}
