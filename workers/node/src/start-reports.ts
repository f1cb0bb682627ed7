import type { Attempt } from './attempt.ts';

/** A start is recorded when the job has run for so long. */
const waitMs = 30;

/** Jobs that end at once are never recorded as running: one write less for each. */
export class StartReports {
  readonly #report: (attempt: Attempt, startedAt: number) => void;
  readonly #lately: Attempt[] = [];

  constructor(report: (attempt: Attempt, startedAt: number) => void) {
    this.#report = report;
  }

  soon(attempt: Attempt): void {
    this.#lately.push(attempt);
    if (this.#lately.length > 1) return;
    setTimeout(() => {
      for (const started of this.#lately.splice(0)) {
        if (started.phase === 'running' && started.startedAt !== undefined) this.#report(started, started.startedAt);
      }
    }, waitMs);
  }
}
