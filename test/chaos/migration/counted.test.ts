import { expect, test } from 'vitest';

import { isWhole, miscounts } from './counted.ts';

const beats = (attempt: number, from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, at) => `beat b1.1 ${attempt} ${from + at}`);

test('a count without a fault has none', () => {
  expect(miscounts([...beats(1, 1, 9), 'end b1.1 1 10'], 0)).toEqual([]);
  expect(miscounts([...beats(1, 1, 9), ...beats(2, 1, 4), 'end b1.1 2 5'], 1)).toEqual([]);
  expect(miscounts([...beats(1, 1, 9), ...beats(2, 4, 7), 'end b1.1 2 8'], 1)).toEqual([]);
});

test('a machine that wakes may go on for a moment', () => {
  const lines = [...beats(1, 1, 4), ...beats(2, 1, 2), ...beats(1, 5, 9), ...beats(2, 3, 9), 'end b1.1 2 10'];
  expect(miscounts(lines, 1, 1)).toEqual([]);
  expect(miscounts(lines, 1, 0).join('\n')).toMatch(/attempt 1 goes on/);
  expect(miscounts([...lines.slice(0, 6), ...beats(1, 5, 40), ...lines.slice(11)], 1, 1)).not.toEqual([]);
  expect(miscounts([...lines, 'end b1.1 1 5'], 1, 1).join('\n')).toMatch(/attempt 1 goes on/);
});

const end = 'end b1.1 1 10';
const wrong: Record<string, [readonly string[], number, RegExp]> = {
  'a step that comes twice': [[...beats(1, 1, 5), ...beats(1, 5, 9), end], 0, /beat b1.1 1 5 comes after step 5/],
  'two copies that count on together': [
    [...beats(1, 1, 4), ...beats(1, 4, 5), ...beats(1, 5, 9), end],
    1,
    /comes after step 5/,
  ],
  'a step that is missing': [[...beats(1, 1, 4), ...beats(1, 6, 9), end], 0, /missing between 4 and 6/],
  'an attempt that goes on after the next': [
    [...beats(1, 1, 4), ...beats(2, 1, 2), ...beats(1, 5, 9), end],
    1,
    /attempt 1 goes on/,
  ],
  'a job without an end': [beats(1, 1, 4), 0, /did not come to its end/],
  'one that goes on after its end': [[...beats(1, 1, 9), end, 'beat b1.1 1 11', 'end b1.1 1 12'], 0, /comes after/],
  'a line of somebody else': [['hello'], 0, /not a line/],
};
test.each(Object.entries(wrong))('%s is found', (_, [lines, restarts, words]) => {
  expect(miscounts(lines, restarts).join('\n')).toMatch(words);
});

test('an output is whole or not', () => {
  expect(isWhole('1\n2\n3\nend 4\n')).toBe(true);
  for (const broken of [
    '',
    '1\n2\n',
    '1\n3\nend 4\n',
    '1\n2\n2\n3\nend 4\n',
    '2\n3\nend 4\n',
    '1\n2\nend 4\n',
    '1\nend 2',
  ])
    expect(isWhole(broken), broken).toBe(false);
});
