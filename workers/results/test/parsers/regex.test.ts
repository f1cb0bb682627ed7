import { expect, test } from 'vitest';
import { checkRegex, parseRegex } from '../../src/parsers/regex.ts';

const rows = (pattern: string, out: string): unknown[] => [...parseRegex({ out, err: '' }, pattern)];

test('named groups are the columns, a row for each match', () => {
  expect(rows(String.raw`loss=(?<loss>[\d.]+)(?: at (?<place>\w+))?`, 'loss=0.5 at top, loss=2')).toEqual([
    { loss: 0.5, place: 'top' },
    { loss: 2 },
  ]);
});

test('groups without names are g1, g2; a pattern without groups gives match', () => {
  expect(rows(String.raw`(\w)(\d)`, 'a1 b2')).toEqual([
    { g1: 'a', g2: 1 },
    { g1: 'b', g2: 2 },
  ]);
  expect(rows('o+', 'foo')).toEqual([{ match: 'oo' }]);
});

test('anchors match at every line, and a colon belongs to the pattern', () => {
  expect(rows('^t:(?<t>.)$', 't:a\nt:b\nxt:c')).toEqual([{ t: 'a' }, { t: 'b' }]);
});

test('empty matches make no rows', () => {
  expect(rows(String.raw`(?<n>\d*)`, 'ab12cd')).toEqual([{ n: 12 }]);
});

test('a group named like the prototype is a plain column', () => {
  expect(JSON.stringify(rows('(?<__proto__>.)', 'a'))).toBe('[{"__proto__":"a"}]');
});

test.each([undefined, '', '(', '(?<a>x)(?<a>y)'])('the pattern %j is refused', (pattern) => {
  expect(() => checkRegex(pattern)).toThrow(expect.objectContaining({ code: 'PARSER_INVALID' }));
});
