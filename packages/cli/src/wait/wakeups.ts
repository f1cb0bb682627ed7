import { batchKeys } from '@omx/queue';
import type { BatchId } from '@omx/core';

import type { Session } from '../session.ts';

/** Tells a waiting command that something may have changed. Messages only wake: what is true is looked up. */
export class Wakeups {
  readonly #channels: ReadonlySet<string>;
  readonly #stopListening: () => void;
  #changed = false;
  #ended = false;
  #wakeUp: (() => void) | undefined;

  constructor(session: Session, ids: readonly BatchId[]) {
    this.#channels = new Set(ids.map((id) => batchKeys(id).changes));
    const subscriber = session.subscriber();
    const listener = (channel: string, message: string): void => {
      if (this.#channels.has(channel)) this.#wake(message === 'end');
    };
    subscriber.on('message', listener);
    // Others may listen to the same channels of this connection (`omx run`), so it stays subscribed until the session ends.
    this.#stopListening = () => subscriber.off('message', listener);
    subscriber
      .subscribe(...this.#channels)
      // What happened before counts as a change.
      .then(() => this.#wake(false))
      .catch(() => {});
  }

  /** To be called before a look: what happens from now on is news. */
  reset(): void {
    this.#changed = false;
    this.#ended = false;
  }

  /** Returns when there is news and the gap is over, when a batch has ended, or at the latest after `mostMs`. */
  async next(gapMs: number, mostMs: number): Promise<void> {
    await this.#sleep(mostMs, () => this.#changed || this.#ended);
    if (gapMs > 0) await this.#sleep(gapMs, () => this.#ended);
  }

  close(): void {
    this.#stopListening();
    this.#wakeUp?.();
  }

  #wake(ended: boolean): void {
    this.#changed = true;
    if (ended) this.#ended = true;
    this.#wakeUp?.();
  }

  async #sleep(ms: number, until: () => boolean): Promise<void> {
    if (until()) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#wakeUp = undefined;
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#wakeUp = () => {
        if (until()) done();
      };
    });
  }
}
