import { expect, test } from 'vitest';
import { parseKeyvalue } from '../../src/parsers/keyvalue.ts';

const rows = (out: string): unknown[] => parseKeyvalue({ out, err: '' });

test('both forms, in one row, numbers as numbers', () => {
  expect(rows('seed=7\nstarted\nFinal loss: 0.25\n  name = two words  \ncode=007\n')).toEqual([
    { seed: 7, 'Final loss': 0.25, name: 'two words', code: '007' },
  ]);
});

test('several pairs on a line, with quotes', () => {
  expect(rows('step=3 loss=1e-4 note="two words" empty=')).toEqual([
    { step: 3, loss: 1e-4, note: 'two words', empty: '' },
  ]);
});

test('quotes go and keep a value text', () => {
  expect(rows(`a='1'\nb: "2"`)).toEqual([{ a: '1', b: '2' }]);
});

test('the later of two values counts', () => {
  expect(rows('loss=2\nloss=1')).toEqual([{ loss: 1 }]);
});

test('times, addresses and prose are no pairs, and no pairs are no row', () => {
  expect(rows('12:30:01 begin\nhttp://example.org/\njust words\n')).toEqual([]);
});

test('a key without a value after the colon is empty', () => {
  expect(rows('note:')).toEqual([{ note: '' }]);
});

test('a line that almost is pairs costs no more than its length', () => {
  expect(rows(`${'a="x" '.repeat(2000)}!`)).toHaveLength(1);
});

test('keys have a limit', () => {
  const out = Array.from({ length: 10_001 }, (_, index) => `k${index}=1`).join('\n');
  expect(() => rows(out)).toThrow('more than 10000 keys');
});
