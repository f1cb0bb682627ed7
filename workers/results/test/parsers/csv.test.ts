import { expect, test } from 'vitest';
import { checkCsv, parseCsv } from '../../src/parsers/csv.ts';

const rows = (out: string, delimiter?: string): unknown[] => [...parseCsv({ out, err: '' }, delimiter)];

test('the header names the columns; numbers are numbers unless quoted', () => {
  expect(rows('name, n,q\r\nann, 1,"2"\r\nbob,-2.5,x\r\n')).toEqual([
    { name: 'ann', n: 1, q: '2' },
    { name: 'bob', n: -2.5, q: 'x' },
  ]);
});

test('quoted cells hold delimiters, line ends, blanks and quotes', () => {
  expect(rows('a,b\n"x, ""y""\nz"," 1 "\n')).toEqual([{ a: 'x, "y"\nz', b: ' 1 ' }]);
});

test('other delimiters', () => {
  expect(rows('a;b\n1,5;2', ';')).toEqual([{ a: '1,5', b: 2 }]);
  expect(rows('a\tb\n1\t\t', 'tab')).toEqual([{ a: 1, b: '', column3: '' }]);
  expect(rows('a b\n1 2\r\n', ' ')).toEqual([{ a: 1, b: 2 }]);
});

test('records shorter and longer than the header, and blank lines', () => {
  expect(rows('a,b\n\n1\n1,2,3\n')).toEqual([{ a: 1 }, { a: 1, b: 2, column3: 3 }]);
});

test('columns without a name or with one taken get their number', () => {
  expect(rows('a,,a\n1,2,3')).toEqual([{ a: 1, column2: 2, a3: 3 }]);
});

test('a header alone, or nothing, has no rows', () => {
  expect(rows('a,b\n')).toEqual([]);
  expect(rows('')).toEqual([]);
});

test('broken quoting is an error that names the record', () => {
  expect(() => rows('a\n"x')).toThrow('csv record 2: a quote is opened and never closed');
  expect(() => rows('a\n"x"y')).toThrow('csv record 2: text follows a closing quote');
});

test.each(['', 'ab', '"', '\n'])('the delimiter %j is refused', (delimiter) => {
  expect(() => checkCsv(delimiter)).toThrow(expect.objectContaining({ code: 'PARSER_INVALID' }));
});
