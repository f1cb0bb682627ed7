import { expect, test } from 'vitest';
import { parseLines } from '../../src/parsers/lines.ts';

test('every line, the last without an end too, is a row', () => {
  expect([...parseLines({ out: 'one\r\n\ntwo', err: 'no' })]).toEqual([
    { line: 1, text: 'one' },
    { line: 2, text: '' },
    { line: 3, text: 'two' },
  ]);
});

test('an empty output has no lines', () => {
  expect([...parseLines({ out: '', err: '' })]).toEqual([]);
});
