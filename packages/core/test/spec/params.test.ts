import { describe, expect, it } from 'vitest';

import { bytesOf } from '../../src/bytestring.ts';
import { listedParam, parseParam } from '../../src/spec/params.ts';

describe('parseParam', () => {
  it.each([
    ['N=1..10', { name: 'N', range: { first: 1, last: 10, step: 1 } }],
    ['N=1..10..4', { name: 'N', range: { first: 1, last: 9, step: 4 } }],
    ['N=3..1', { name: 'N', range: { first: 3, last: 1, step: -1 } }],
    ['N=5..-5..5', { name: 'N', range: { first: 5, last: -5, step: -5 } }],
    ['N=1..1_000', { name: 'N', range: { first: 1, last: 1000, step: 1 } }],
    ['a-b=x,,y=z', { name: 'a-b', values: ['x', '', 'y=z'] }],
    ['N=5', { name: 'N', values: ['5'] }],
    ['D=../x', { name: 'D', values: ['../x'] }],
    ['F=@list.txt', { name: 'F', file: 'list.txt' }],
    ['F=@-', { name: 'F', file: '-' }],
  ])('%s', (text, param) => {
    expect(parseParam(text)).toEqual(param);
  });

  it.each([
    ['N', 'not a parameter'],
    ['N=', 'no values'],
    ['N=@', 'names no file'],
    ['=1', 'not a parameter name'],
    ['1a=1', 'not a parameter name'],
    ['a b=1', 'not a parameter name'],
    ['index=1', 'reserved'],
    ['N=1..x', 'not a range'],
    ['N=0.1..0.9', 'not a range of whole numbers'],
    ['N=1..5..0', 'step'],
    ['N=01..10', 'leading zeros'],
    ['N=1..1000000000', 'more than the 10000000'],
    ['N=1..99999999999999999999', 'too large'],
  ])('refuses %s', (text, message) => {
    expect(() => parseParam(text)).toThrow(message);
  });

  it('refuses an empty list', () => {
    expect(() => listedParam('N', [])).toThrow('no values');
    expect(listedParam('N', [bytesOf('a')])).toEqual({ name: 'N', values: ['a'] });
  });
});
