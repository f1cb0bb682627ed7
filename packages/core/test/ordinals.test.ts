import fc from 'fast-check';
import { expect, test } from 'vitest';

import { countSpans, eachOf, formatSpans, parseSpans, spansInclude, spansOf, splitSpans } from '../src/ordinals.ts';

const numbers = fc.array(fc.nat({ max: 60 }), { maxLength: 40 });

test('numbers keep their order through spans and text', () => {
  fc.assert(
    fc.property(numbers, (list) => {
      const spans = spansOf(list);
      expect([...eachOf(spans)]).toEqual(list);
      if (list.length > 0) expect([...eachOf(parseSpans(formatSpans(spans)))]).toEqual(list);
      expect(countSpans(spans)).toBe(list.length);
    }),
  );
});

test('head and tail together are the whole', () => {
  fc.assert(
    fc.property(numbers, fc.nat({ max: 50 }), (list, count) => {
      const { head, tail } = splitSpans(spansOf(list), count);
      expect([...eachOf(head)]).toEqual(list.slice(0, count));
      expect([...eachOf(tail)]).toEqual(list.slice(count));
    }),
  );
});

test('runs are joined, also downwards', () => {
  expect(formatSpans(spansOf([1, 2, 3, 7, 6, 5, 9]))).toBe('1-3,7-5,9');
  expect(spansInclude(parseSpans('7-5'), 6)).toBe(true);
  expect(spansInclude(parseSpans('7-5'), 8)).toBe(false);
});

test.each(['', 'a', '1-', '-1', '1--2', '1.5', '1-2-3'])("'%s' is refused", (text) => {
  expect(() => parseSpans(text)).toThrow(/not a number or a range/);
});
