import { expect, test } from 'vitest';
import { encodeRows } from '../src/row-encoding.ts';

const limits = { maxRows: 3, maxRowBytes: 100 };
const encoded = (...rows: unknown[]): string => encodeRows(rows, limits);

test('what JSON says as it says it, and a BigInt as text', () => {
  expect(encoded({ a: 1n, b: undefined, c: Number.NaN, d: new Date(0) })).toBe(
    '[{"a":"1","c":null,"d":"1970-01-01T00:00:00.000Z"}]',
  );
  expect(encoded()).toBe('[]');
});

const cycle: Record<string, unknown> = {};
cycle['self'] = cycle;

test.each([
  ['a string', 'x', 'row 1 is a string'],
  ['an array', [1], 'row 1 is an array'],
  ['null', null, 'row 1 is null'],
  ['a date', new Date(0), 'row 1 is an object that says it is none'],
  ['a function inside', { f: () => 1 }, "row 1 is not JSON: 'f' is a function"],
  ['a symbol inside', { s: Symbol('s') }, "'s' is a symbol"],
  ['a Map inside', { deep: [{ m: new Map() }] }, "'m' is a Map"],
  ['a cycle', cycle, 'row 1 is not JSON: Converting circular structure'],
])('%s is refused', (_, row, message) => {
  expect(() => encoded(row)).toThrow(message);
});

test('limits on rows and on bytes', () => {
  expect(() => encoded({}, {}, {}, {})).toThrow('more than 3 rows');
  expect(() => encoded({ text: 'x'.repeat(100) })).toThrow('rows of more than 100 bytes');
});

test('an endless parser meets the limit, not the end of memory', () => {
  function* endless(): Generator {
    for (;;) yield {};
  }
  expect(() => encodeRows(endless(), { maxRows: 1000, maxRowBytes: 1e9 })).toThrow('more than 1000 rows');
});
