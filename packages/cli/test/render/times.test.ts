import { expect, test } from 'vitest';

import { bashTime, classicTimes, isoTime, localTime, seconds, secondsOfMs } from '../../src/render/times.ts';

test.each([
  [0, '0m0.000s'],
  [1.2344, '0m1.234s'],
  [59.9996, '1m0.000s'],
  [205.045, '3m25.045s'],
  [3600, '60m0.000s'],
])('%d seconds as bash prints them: %s', (value, text) => {
  expect(bashTime(value)).toBe(text);
});

test('the classic lines', () => {
  expect(classicTimes({ real: 1, user: 0.5, sys: 0.25 })).toEqual([
    'real\t0m1.000s',
    'user\t0m0.500s',
    'sys\t0m0.250s',
  ]);
});

test('what is unknown is null or empty', () => {
  expect(isoTime(undefined)).toBeNull();
  expect(seconds(null)).toBe('');
});

test('seconds keep microseconds, without the noise of binary fractions', () => {
  expect(secondsOfMs(1182.0000001)).toBe(1.182);
  expect(secondsOfMs(0.1 + 0.2)).toBe(0.0003);
});

test('today goes without the day', () => {
  const now = new Date(2026, 7, 8, 14, 0, 0).getTime();
  expect(localTime(now - 60_000, now)).toBe('13:59:00');
  expect(localTime(now - 86_400_000, now)).toBe('2026-08-07 14:00:00');
});
