import { describe, expect, it } from 'vitest';

import { formatBytes, parseBytes } from '../src/bytes.ts';

describe('parseBytes', () => {
  it.each([
    ['2GiB', 2 ** 31],
    ['2Gi', 2 ** 31],
    ['2G', 2 ** 31],
    ['2g', 2 ** 31],
    ['2GB', 2e9],
    ['512M', 512 * 2 ** 20],
    ['10k', 10_240],
    ['10kB', 10_000],
    ['1.5K', 1536],
    ['1 TiB', 2 ** 40],
    ['100B', 100],
    ['1048576', 1_048_576],
    [1_048_576, 1_048_576],
    ['0', 0],
  ])('%s is %d', (input, bytes) => {
    expect(parseBytes(input)).toBe(bytes);
  });

  it.each(['', 'G', '-1', '5X', '5iB', '1,5G', '1e9', '9999999P', -3])('refuses %s by name', (input) => {
    expect(() => parseBytes(input)).toThrow(`'${input}'`);
  });
});

describe('formatBytes', () => {
  it.each([
    [0, '0B'],
    [512, '512B'],
    [1023, '1023B'],
    [1536, '1.5KiB'],
    [20 * 2 ** 20, '20MiB'],
    [2 ** 20 - 1, '1MiB'],
    [2 ** 31, '2GiB'],
    [9.96 * 2 ** 30, '10GiB'],
  ])('%d is %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});
