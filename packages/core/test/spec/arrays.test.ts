import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { countRanges, parseArray } from '../../src/spec/arrays.ts';

const indexes = (text: string): number[] =>
  parseArray(text).ranges.flatMap(({ first, last, step }) => {
    const list: number[] = [];
    for (let index = first; index <= last; index += step) list.push(index);
    return list;
  });

describe('parseArray', () => {
  it.each([
    ['7', [7]],
    ['0', [0]],
    ['1-4', [1, 2, 3, 4]],
    ['1-9:2', [1, 3, 5, 7, 9]],
    ['1-10:4', [1, 5, 9]],
    ['3,5,8-10', [3, 5, 8, 9, 10]],
    ['8-10, 3', [3, 8, 9, 10]],
    ['1-5:2,2-6:2', [1, 3, 5, 2, 4, 6]],
    ['1_000-1_002', [1000, 1001, 1002]],
  ])('%s', (text, expected) => {
    expect(indexes(text)).toEqual(expected);
  });

  it('keeps the throttle', () => {
    expect(parseArray('1-1000%50')).toEqual({ ranges: [{ first: 1, last: 1000, step: 1 }], throttle: 50 });
    expect(parseArray(7).throttle).toBeUndefined();
  });

  it('counts ten million lazily and refuses more', () => {
    expect(countRanges(parseArray('1-10000000').ranges)).toBe(10_000_000);
    expect(() => parseArray('1-1000000000')).toThrow('1000000000 jobs are more than the 10000000');
    expect(() => parseArray('0-9007199254740991')).toThrow('more than the 10000000');
  });

  it.each([
    ['', 'not an array'],
    ['a', "'a'"],
    ['1-', "'1-'"],
    ['1,,2', 'not an index'],
    ['-3', 'not an index'],
    ['5-1', 'runs downwards'],
    ['1-5:0', 'step'],
    ['5:2', 'not an index'],
    ['1-3,2', 'index 2 is given twice'],
    ['2,2', 'index 2 is given twice'],
    ['1-9:2,3-9:3', 'index 3 is given twice'],
    ['1-100,200,50-60:7', 'index 50 is given twice'],
    ['1-5%0', '%0'],
    ['1-5%', '%'],
    ['1-5%2%3', 'not an array'],
    ['1-99999999999999999999', 'too large'],
  ])('refuses %s', (text, message) => {
    expect(() => parseArray(text)).toThrow(message);
  });

  it('finds a shared index exactly where there is one', () => {
    const range = fc.record({ first: fc.nat(40), length: fc.nat(40), step: fc.integer({ min: 1, max: 9 }) });
    fc.assert(
      fc.property(fc.array(range, { minLength: 1, maxLength: 4 }), (ranges) => {
        const all = ranges.flatMap(({ first, length, step }) =>
          Array.from({ length: Math.floor(length / step) + 1 }, (_, position) => first + position * step),
        );
        const text = ranges.map(({ first, length, step }) => `${first}-${first + length}:${step}`).join(',');
        const sorted = new Set(all).size < all.length ? 'twice' : [...all].sort((a, b) => a - b);
        expect(sortedIndexes(text)).toEqual(sorted);
      }),
    );
  });
});

function sortedIndexes(text: string): number[] | 'twice' {
  try {
    return indexes(text).sort((a, b) => a - b);
  } catch (error) {
    if (String(error).includes('given twice')) return 'twice';
    throw error;
  }
}
