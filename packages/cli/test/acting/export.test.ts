import { type Bytes, bytesFromBuffer, bytesOf, splitWords } from '@omx/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { commandLine } from '../../src/acting/export.ts';

const word = fc
  .uint8Array({ minLength: 0, maxLength: 12 })
  .map((bytes) => bytesFromBuffer(bytes.map((byte) => (byte === 0 || byte === 10 ? 39 : byte))));

describe('commandLine', () => {
  it('reads back as the same words, whatever their bytes', () => {
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 6 }), (argv) => {
        expect(splitWords(commandLine(argv) as Bytes, { name: 'file' })).toEqual(argv);
      }),
    );
  });

  it('is never a comment or blank, and has no Windows line end', () => {
    for (const argv of [['#x'], ['a', 'cr\r'], [' ']]) {
      const line = commandLine(argv.map((text) => bytesOf(text))) ?? '';
      expect(line).toMatch(/^[^#\s]/);
      expect(line.endsWith('\r')).toBe(false);
    }
  });

  it('does not exist for words with a newline', () => {
    expect(commandLine([bytesOf('echo'), bytesOf('a\nb')])).toBeUndefined();
  });
});
