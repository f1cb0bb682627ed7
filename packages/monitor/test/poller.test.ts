import { afterEach, expect, test, vi } from 'vitest';

import { Poller } from '../src/poller.ts';

afterEach(() => {
  vi.useRealTimers();
});

test('reads again a second after each answer, and says when none comes', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  let answer: ((value: number) => void) | undefined;
  let asked = 0;
  const news = vi.fn<() => void>();
  const poller = new Poller<number>(
    async () => {
      asked += 1;
      return new Promise((resolve) => (answer = resolve));
    },
    { news, fault: () => {} },
  );
  poller.poll();
  expect({ asked, newest: poller.newest, trouble: poller.trouble }).toEqual({
    asked: 1,
    newest: undefined,
    trouble: undefined,
  });
  answer?.(7);
  await vi.advanceTimersByTimeAsync(999);
  expect({ asked, newest: poller.newest, news: news.mock.calls.length }).toEqual({ asked: 1, newest: 7, news: 1 });
  await vi.advanceTimersByTimeAsync(1);
  expect(asked).toBe(2);
  await vi.advanceTimersByTimeAsync(5000);
  expect({ asked, trouble: poller.trouble }).toEqual({ asked: 2, trouble: 'the queue has been away for 6 s' });
  // Asked for meanwhile: read at once when the answer is there.
  poller.poll();
  answer?.(8);
  await vi.advanceTimersByTimeAsync(0);
  expect({ asked, newest: poller.newest, trouble: poller.trouble }).toEqual({
    asked: 3,
    newest: 8,
    trouble: undefined,
  });
  poller.stop();
  answer?.(9);
  await vi.advanceTimersByTimeAsync(5000);
  expect({ asked, newest: poller.newest }).toEqual({ asked: 3, newest: 9 });
});

test('what the server refuses is shown, any other error is a fault', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  const errors = [Object.assign(new Error('LOADING the data'), { name: 'ReplyError' }), new TypeError('a bug')];
  const fault = vi.fn<(error: unknown) => void>();
  const poller = new Poller<number>(async () => Promise.reject(errors.shift() ?? new Error('no more')), {
    news: () => {},
    fault,
  });
  poller.poll();
  await vi.advanceTimersByTimeAsync(10);
  expect(poller.trouble).toBe('the queue refuses: LOADING the data');
  expect(fault).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1000);
  expect(fault).toHaveBeenCalledWith(expect.any(TypeError));
  poller.stop();
});
