import type { BatchId } from '@omx/core';
import { batchKeys, type Redis } from '@omx/queue';

import type { Session } from '../session.ts';

/** `urgent`: the batch has ended, or this process itself knows that there is something to do. */
export type News = 'none' | 'changed' | 'urgent';

/** The messages that jobs of a batch have changed. A lost message costs no more than the wait until the next look. */
export class Changes {
  readonly #subscriber: Redis;
  readonly #channel: string;
  readonly #listener: (channel: Buffer, message: Buffer) => void;
  #changed = false;
  #urgent = false;
  #notify: () => void = () => {};

  private constructor(subscriber: Redis, id: BatchId) {
    this.#subscriber = subscriber;
    this.#channel = batchKeys(id).changes;
    // As buffers: answers of nodes arrive on this connection too, and must not be decoded for nothing.
    this.#listener = (channel, message) => {
      if (channel.toString('latin1') !== this.#channel) return;
      this.#changed = true;
      if (message.toString('latin1') === 'end') this.#urgent = true;
      this.#notify();
    };
    subscriber.on('messageBuffer', this.#listener);
  }

  static async open(session: Session, id: BatchId): Promise<Changes> {
    const changes = new Changes(session.subscriber(), id);
    await changes.#subscriber.subscribe(changes.#channel);
    return changes;
  }

  /** Makes `next` return at once. */
  wake(): void {
    this.#changed = true;
    this.#urgent = true;
    this.#notify();
  }

  /**
   * Waits for a change since the last call: not less than `gapMs`, so that many changes are one look (the end of the
   * batch is not kept waiting), and not longer than `longestMs`.
   */
  async next(gapMs: number, longestMs: number, signal: AbortSignal): Promise<News> {
    const began = performance.now();
    const stop = (): void => this.wake();
    signal.addEventListener('abort', stop);
    try {
      while (!this.#urgent && !signal.aborted) {
        const left = (this.#changed ? gapMs : longestMs) - (performance.now() - began);
        if (left <= 0) break;
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, Math.ceil(left));
          this.#notify = () => {
            clearTimeout(timer);
            resolve();
          };
        });
        this.#notify = () => {};
      }
    } finally {
      signal.removeEventListener('abort', stop);
    }
    const news = this.#urgent ? 'urgent' : this.#changed ? 'changed' : 'none';
    this.#changed = false;
    this.#urgent = false;
    return news;
  }

  /** The channel stays subscribed: others of this process may listen to it. */
  close(): void {
    this.#subscriber.off('messageBuffer', this.#listener);
  }
}
