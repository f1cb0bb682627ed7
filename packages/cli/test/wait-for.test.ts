import { EventEmitter } from 'node:events';

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import type { Session } from '../src/session.ts';
import { waitFor } from '../src/wait-for.ts';
import { batchOf, fakeIo } from './watching-kit.ts';

/** Sums as the queue keeps them: jobs in each class of record (7 succeeded, 8 exited, 4 running). */
type Sums = Record<string, string>;

class FakeQueue {
  looks = 0;
  readonly subscriber = Object.assign(new EventEmitter(), { subscribe: async () => 1 });
  meta: { untouched: string; note: string } = { untouched: 'queued', note: '' };
  /** What each look finds; the last stays. */
  sums: Sums[] = [];
  onLook: (look: number) => void = () => {};
  /** Never answers, as a queue that is away. */
  away = false;

  readonly session = {
    subscriber: () => this.subscriber,
    redis: {
      hmget: async () => [this.meta.untouched, this.meta.note],
      hgetall: async () => {
        if (this.away) return new Promise(() => {});
        const found = this.sums[Math.min(this.looks, this.sums.length - 1)];
        this.looks += 1;
        this.onLook(this.looks);
        return found;
      },
    },
    batches: { load: async () => batchOf({}, { untouched: 'queued' }) },
  } as unknown as Session;
}

describe('waitFor', () => {
  let queue: FakeQueue;
  let console: ReturnType<typeof fakeIo>;
  const wait = async (options: { timeoutMs?: number; quiet?: boolean } = {}) =>
    waitFor(console.io, queue.session, ['b7'], { progress: false, quiet: false, ...options });

  beforeEach(() => {
    queue = new FakeQueue();
    console = fakeIo();
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  test('0 when all succeeded, at the first look and without a subscription', async () => {
    queue.sums = [{ '7': '10' }];
    expect(await wait()).toBe(0);
    expect([queue.looks, queue.subscriber.listenerCount('message'), console.listeners.size]).toEqual([1, 0, 0]);
  });

  test.each([{ '7': '9', '8': '1' }, { '7': '9', '12': '1' }, { '14': '10' }])(
    '1 when some did not: %j',
    async (sums) => {
      queue.sums = [sums];
      expect(await wait()).toBe(1);
    },
  );

  test('a message wakes it', async () => {
    queue.sums = [{ '4': '1' }, { '4': '1' }, { '7': '10' }];
    queue.onLook = (look) => {
      if (look === 2) setImmediate(() => queue.subscriber.emit('message', 'omx:{b7}:changes', 'end'));
    };
    // No time passes, so nothing but the message can have woken it.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
    expect(await wait()).toBe(0);
    expect(queue.subscriber.listenerCount('message')).toBe(0);
  });

  test('without any message the counters are looked at each second', async () => {
    queue.sums = [{ '4': '1' }, { '4': '1' }, { '7': '10' }];
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
    const waiting = wait();
    await vi.advanceTimersByTimeAsync(999);
    expect(queue.looks).toBe(2);
    await vi.advanceTimersByTimeAsync(1);
    expect(await waiting).toBe(0);
    expect(queue.looks).toBe(3);
  });

  test('124 when the timeout is over; a finished batch is never late', async () => {
    queue.sums = [{ '4': '1' }];
    expect(await wait({ timeoutMs: 0 })).toBe(124);
    expect(console.texts.err).toContain('b7 has not ended after 0s');
    queue.sums = [{ '7': '10' }];
    expect(await wait({ timeoutMs: 0 })).toBe(0);
  });

  test('130 at Ctrl-C, with the way to go on', async () => {
    queue.sums = [{ '4': '1' }];
    queue.onLook = () => setImmediate(console.interrupt);
    expect(await wait()).toBe(130);
    expect(console.texts.err).toMatch(/b7 goes on[^]*omx wait b7/);
  });

  test('Ctrl-C also while the queue is away', async () => {
    queue.away = true;
    const waiting = wait();
    setImmediate(() => setImmediate(console.interrupt));
    expect(await waiting).toBe(130);
  });

  test('a held batch is named once', async () => {
    queue.meta = { untouched: 'held', note: 'held by omx hold' };
    queue.sums = [{}, {}, {}, { '7': '10' }];
    queue.onLook = () => setImmediate(() => queue.subscriber.emit('message', 'omx:{b7}:changes', 'jobs'));
    expect(await wait()).toBe(0);
    expect(console.texts.err).toBe('b7 is held: omx release b7\n');
  });
});
