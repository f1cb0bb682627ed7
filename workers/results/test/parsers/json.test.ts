import { expect, test } from 'vitest';
import { parseJson } from '../../src/parsers/json.ts';

const rows = (out: string): unknown[] => [...parseJson({ out, err: '' })];

test('an object is a row, an array rows, a scalar a value', () => {
  expect(rows('{\n  "a": 1\n}\n')).toEqual([{ a: 1 }]);
  expect(rows('[{"a":1},2,[3]]')).toEqual([{ a: 1 }, { value: 2 }, { value: [3] }]);
  expect(rows('null\n')).toEqual([{ value: null }]);
  expect(rows(' \n')).toEqual([]);
});

test('a document a line', () => {
  expect(rows('{"a":1}\n\n{"a":2}\n"x"')).toEqual([{ a: 1 }, { a: 2 }, { value: 'x' }]);
});

test('what is not JSON is an error that says where', () => {
  expect(() => rows('{"a":1}\nDone!')).toThrow('line 2 of the output is not JSON');
  expect(() => rows('{\n"a":\n')).toThrow('the output is not JSON');
});

test('a document has a limit in length', () => {
  expect(() => rows(`"${'x'.repeat(16 * 1024 * 1024)}"`)).toThrow('more than 16777216 characters');
});
