import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { bytesOf, type Bytes } from '../../src/bytestring.ts';
import { commandLines, quoteWord, splitWords } from '../../src/spec/words.ts';

const split = (line: string): string[] => splitWords(bytesOf(line), { name: 'f', line: 3 });

describe('splitWords', () => {
  it.each([
    ['', []],
    ['  a \t b ', ['a', 'b']],
    [`a 'b c' "d e"`, ['a', 'b c', 'd e']],
    [`a''b '' ""`, ['ab', '', '']],
    [String.raw`a\ b \' \\ "\$\x\""`, ['a b', "'", '\\', String.raw`$\x"`]],
    [`'\\'`, ['\\']],
    ['$HOME *.c | ; #x', ['$HOME', '*.c', '|', ';', '#x']],
  ])('%s', (line, words) => {
    expect(split(line)).toEqual(words);
  });

  it.each([
    [`a 'b`, "f:3:3: the quote ' is never closed"],
    [`é "b`, 'f:3:3: the quote " is never closed'],
    ['a\\', 'f:3:2: the line ends in a backslash'],
  ])('refuses %s', (line, message) => {
    expect(() => split(line)).toThrow(message);
  });

  it('undoes quoteWord for any bytes', () => {
    const word = fc.uint8Array().map((bytes) => Buffer.from(bytes).toString('latin1') as Bytes);
    fc.assert(
      fc.property(fc.array(word), (words) => {
        const line = words.map((each) => quoteWord(each)).join(' ') as Bytes;
        expect(splitWords(line, { name: 'f' })).toEqual(words);
      }),
    );
  });
});

describe('commandLines', () => {
  it('passes over blank lines and comments, and keeps line numbers', () => {
    expect(commandLines(bytesOf('# x\n\na b\n  # y\nc # d\n'), 'f')).toEqual([
      { line: 3, text: 'a b' },
      { line: 5, text: 'c # d' },
    ]);
  });

  it('refuses Windows line ends', () => {
    expect(() => commandLines(bytesOf('a\r\n'), 'f')).toThrow('f:1:2: the line ends in a carriage return');
  });
});
