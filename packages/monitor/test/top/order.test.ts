import { expect, test } from 'vitest';

import { arrange } from '../../src/top/order.ts';
import { row } from '../kit.ts';

const rows = [
  row('b10.1', { cpu: 50, rss: 1, seconds: 9, node: 'vega', command: 'java Fib' }),
  row('b2.10', { cpu: 99, rss: 2, seconds: 1, node: 'altair', command: './fib 40' }),
  row('b2.2', { cpu: null, rss: null, seconds: null, node: null, state: 'queued', command: './fib 9', migrations: 3 }),
];
const ids = (filter: string, sort: Parameters<typeof arrange>[2], reverse = false): string[] =>
  arrange(rows, filter, sort, reverse).map(({ id }) => id);

test('ids sort as numbers, sizes from the largest, what is not known last', () => {
  expect(ids('', 'id')).toEqual(['b2.2', 'b2.10', 'b10.1']);
  expect(ids('', 'cpu')).toEqual(['b2.10', 'b10.1', 'b2.2']);
  expect(ids('', 'rss')).toEqual(['b2.10', 'b10.1', 'b2.2']);
  expect(ids('', 'time')).toEqual(['b10.1', 'b2.10', 'b2.2']);
  expect(ids('', 'migr')).toEqual(['b2.2', 'b2.10', 'b10.1']);
  expect(ids('', 'node')).toEqual(['b2.10', 'b10.1', 'b2.2']);
  expect(ids('', 'command')).toEqual(['b2.10', 'b2.2', 'b10.1']);
  expect(ids('', 'cpu', true)).toEqual(['b2.2', 'b10.1', 'b2.10']);
});

test('all words of a filter must be there; node= and state= are exact', () => {
  expect(ids('FIB', 'id')).toEqual(['b2.2', 'b2.10', 'b10.1']);
  expect(ids('fib altair', 'id')).toEqual(['b2.10']);
  expect(ids('node=vega', 'id')).toEqual(['b10.1']);
  expect(ids('node=veg', 'id')).toEqual([]);
  expect(ids('state=queued fib', 'id')).toEqual(['b2.2']);
  expect(ids('b2.', 'id')).toEqual(['b2.2', 'b2.10']);
});
