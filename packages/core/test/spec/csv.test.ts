import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { parseCsv } from '../../src/spec/csv.ts';

const parse = (text: string): ReturnType<typeof parseCsv> => parseCsv(Buffer.from(text), 'f.csv');

describe('parseCsv', () => {
  it.each([
    ['a,b\n1,2\n', [['1', '2']]],
    [
      '\uFEFFa,b\r\n1,2\r\n3,4',
      [
        ['1', '2'],
        ['3', '4'],
      ],
    ],
    ['a,b\n"x, ""y""\n z",\n\n', [['x, "y"\n z', '']]],
    ['a,b\n"",""\n', [['', '']]],
    ['a,b\n', []],
    ['a,b\n1\r2,3\n', [['1\r2', '3']]],
  ])('%j', (text, rows) => {
    expect(parse(text)).toEqual({ columns: ['a', 'b'], rows });
  });

  it('keeps bytes that are no text', () => {
    expect(parseCsv(Buffer.from('a\n\u00FF\n', 'latin1'), 'f').rows).toEqual([['\u00FF']]);
  });

  it('has an empty line as an empty cell of the only column', () => {
    expect(parse('a\n\n1\n').rows).toEqual([[''], ['1']]);
  });

  it.each([
    ['', 'f.csv: the file is empty'],
    ['a,b\n1\n', 'f.csv:2:1: the row has 1 field, the header has 2'],
    ['a,b\n"x\ny",1\n1,2,3\n', 'f.csv:4:1: the row has 3 fields, the header has 2'],
    ['a,b\n1,x"y"\n', 'f.csv:2:4: a quote inside'],
    ['a,b\n1,"x"y\n', 'f.csv:2:6: text after the closing quote'],
    ['a,b\n1,"x\n', 'f.csv:2:3: the quote is never closed'],
    ['a,a\n', "f.csv:1:3: two columns are named 'a'"],
    ['a,\n', 'f.csv:1:3: a column without a name'],
  ])('refuses %j', (text, message) => {
    expect(() => parse(text)).toThrow(message);
  });

  it('reads back any cells that are written quoted', () => {
    const cell = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r') });
    fc.assert(
      fc.property(fc.array(fc.tuple(cell, cell)), (rows) => {
        const lines = rows.map((row) => row.map((each) => `"${each.replaceAll('"', '""')}"`).join(','));
        expect(parse(['a,b', ...lines].join('\r\n')).rows).toEqual(rows);
      }),
    );
  });
});
