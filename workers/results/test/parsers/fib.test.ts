import { expect, test } from 'vitest';
import { parseFib } from '../../src/parsers/fib.ts';

const rows = (out: string): unknown[] => [...parseFib({ out, err: '' })];

test('values are rows, in the order printed; the rest is passed over', () => {
  const out = '1 -> started\n2 -> started\n2 -> 2\n1 -> 1\n1 -> done [4711]\n2 -> done [4712]\nDone!\n';
  expect(rows(out)).toEqual([
    { n: 2, fib: 2 },
    { n: 1, fib: 1 },
  ]);
});

test('the counter lines of the Java program are passed over, and an overflow shows', () => {
  expect(rows('[0]\n40 -> 165580141\n[1]\n46 -> -1323752223\nDone!')).toEqual([
    { n: 40, fib: 165580141 },
    { n: 46, fib: -1323752223 },
  ]);
});

test('a value beyond exact numbers stays text', () => {
  expect(rows('90 -> 4660046610375530309')).toEqual([{ n: 90, fib: '4660046610375530309' }]);
});
