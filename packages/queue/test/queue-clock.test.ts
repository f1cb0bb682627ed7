import { expect, test } from 'vitest';

import { QueueClock } from '../src/queue-clock.ts';

const hour = 3_600_000;

/** TIME of a server whose clock is behind ours by so much. */
function reply(offsetMs: number): [string, string] {
  const server = Date.now() - offsetMs;
  return [String(Math.floor(server / 1000)), String(Math.floor(server % 1000) * 1000)];
}

/** An answer that was under way for so long. */
function heard(clock: QueueClock, offsetMs: number, tookMs = 0): number {
  const asked = Date.now() - tookMs;
  clock.hear(reply(offsetMs), asked);
  return clock.offsetMs;
}

test.each([hour, -hour, 5000])('an offset of %d ms is corrected, and gone again with its cause', (offset) => {
  const clock = new QueueClock();
  expect(Math.abs(heard(clock, offset) - offset)).toBeLessThan(50);
  expect(Math.abs(clock.now() - (Date.now() - offset))).toBeLessThan(50);
  expect(Math.abs(clock.fromLocal(1e12) - (1e12 - offset))).toBeLessThan(50);
  expect(heard(clock, 0)).toBe(0);
});

test('a small one is left alone', () => {
  expect(heard(new QueueClock(), 300)).toBe(0);
  expect(heard(new QueueClock(), -300)).toBe(0);
});

test('a slow answer only puts right what it cannot agree with', () => {
  const clock = new QueueClock();
  // Half of the way there, it would be taken for a clock that is 1.5 s off.
  expect(heard(clock, 0, 3000)).toBe(0);
  expect(Math.abs(heard(clock, hour, 3000) - hour)).toBeLessThanOrEqual(3000);
  const found = clock.offsetMs;
  expect(heard(clock, hour, 3000)).toBe(found);
});

test('a clock that was set while the answer was under way decides nothing', () => {
  const clock = new QueueClock();
  expect(heard(clock, hour, -hour)).toBe(0);
  expect(heard(clock, 0, hour)).toBe(0);
});

test('a clock that is set is noticed at once', () => {
  const at = { day: 1e12, steady: 0, sinceBoot: 5000 };
  const clock = new QueueClock({ day: () => at.day, steady: () => at.steady, sinceBoot: () => at.sinceBoot });
  at.day += hour;
  expect(clock.now()).toBe(1e12);
  expect(clock.offsetMs).toBe(hour);
  at.day -= 2 * hour;
  expect(clock.now()).toBe(1e12);
  at.day += hour;
  expect(clock.offsetMs).toBe(0);
});

test('time that passes while the machine is suspended has passed', () => {
  const at = { day: 1e12, steady: 0, sinceBoot: 5000 };
  const clock = new QueueClock({ day: () => at.day, steady: () => at.steady, sinceBoot: () => at.sinceBoot });
  at.day += hour;
  at.sinceBoot += hour;
  expect(clock.now()).toBe(1e12 + hour);
  expect(clock.offsetMs).toBe(0);
});
