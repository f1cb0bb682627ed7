import type { BatchId } from '@omx/core';
import { batchKeys, globalKeys, type Redis } from '@omx/queue';

/** Tells a follower of events which batches have news; what the news is, is looked up. */
export class News {
  readonly #subscriber: Redis;
  readonly #listener: (channel: Buffer, message: Buffer) => void;
  readonly #channels = new Map<string, BatchId>();
  readonly #changed = new Set<BatchId>();
  readonly #offered = new Set<BatchId>();
  #queueChanged = false;
  #notify: () => void = () => {};

  constructor(subscriber: Redis) {
    this.#subscriber = subscriber;
    this.#listener = (channel, message) => {
      const name = channel.toString('latin1');
      const id = this.#channels.get(name);
      if (id !== undefined) this.#changed.add(id);
      else if (name !== globalKeys.wake || !this.#hearQueue(message.toString('latin1'))) return;
      this.#notify();
    };
  }

  /** A submit or a rerun says `chunks b7`, somebody's wish `node n1`; what else goes on there is heard of otherwise. */
  #hearQueue(message: string): boolean {
    const [reason, id] = message.split(' ');
    if (reason === 'chunks') this.#offered.add(id as BatchId);
    else if (reason !== 'node') return false;
    this.#queueChanged = true;
    return true;
  }

  /** @param ofQueue new batches and nodes are of interest, too */
  async open(ofQueue: boolean): Promise<void> {
    this.#subscriber.on('messageBuffer', this.#listener);
    if (ofQueue) await this.#subscriber.subscribe(globalKeys.wake);
  }

  async follow(id: BatchId): Promise<void> {
    const channel = batchKeys(id).changes;
    this.#channels.set(channel, id);
    await this.#subscriber.subscribe(channel);
  }

  async leave(id: BatchId): Promise<void> {
    const channel = batchKeys(id).changes;
    this.#channels.delete(channel);
    this.#changed.delete(id);
    await this.#subscriber.unsubscribe(channel);
  }

  has(id: BatchId): boolean {
    return this.#changed.has(id);
  }

  /** To be called before a look: what happens from now on is news. */
  seen(id: BatchId): void {
    this.#changed.delete(id);
  }

  /** Whether there may be new batches or events of nodes; asked once. */
  takeQueue(): boolean {
    const changed = this.#queueChanged;
    this.#queueChanged = false;
    return changed;
  }

  /** Batches that somebody gave to the workers, or gave again; each asked once. */
  takeOffered(): BatchId[] {
    const ids = [...this.#offered];
    this.#offered.clear();
    return ids;
  }

  /** Returns at the first news, or after so long. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    if (ms <= 0 || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        this.#notify = () => {};
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener('abort', done);
      this.#notify = done;
    });
  }

  close(): void {
    this.#subscriber.off('messageBuffer', this.#listener);
  }
}
