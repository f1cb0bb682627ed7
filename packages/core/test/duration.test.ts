import { describe, expect, it } from 'vitest';

import { formatDuration, parseDuration } from '../src/duration.ts';

describe('parseDuration', () => {
  it.each([
    ['90s', 90_000],
    ['1h30m', 5_400_000],
    ['1h 30m', 5_400_000],
    ['1.5h', 5_400_000],
    ['500ms', 500],
    ['2d', 172_800_000],
    ['1d2h3m4s5ms', 93_784_005],
    ['01:30:00', 5_400_000],
    ['5:00', 300_000],
    ['90:00', 5_400_000],
    ['0:00.5', 500],
    ['90', 90_000],
    ['0.25', 250],
    ['0', 0],
    [90, 90_000],
  ])('%s is %d ms', (input, ms) => {
    expect(parseDuration(input)).toBe(ms);
  });

  it.each(['', 'x', '5x', '-5s', -5, '30m1h', '1m1m', '1:60', '5:5', '1e3', '1h30', 'NaN', Infinity, '999999d'])(
    'refuses %s by name',
    (input) => {
      expect(() => parseDuration(input)).toThrow(`'${input}'`);
    },
  );
});

describe('formatDuration', () => {
  it.each([
    [0, '0s'],
    [-5, '0s'],
    [0.4, '0ms'],
    [85, '85ms'],
    [999.7, '1s'],
    [12_345, '12.3s'],
    [5000, '5s'],
    [59_960, '1m'],
    [242_000, '4m02s'],
    [5_400_000, '1h30m'],
    [3_599_900, '1h'],
    [3_660_000, '1h01m'],
    [183_600_000, '2d03h'],
    [86_399_999, '1d'],
  ])('%d ms is %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});
