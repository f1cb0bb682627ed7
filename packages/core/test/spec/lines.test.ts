import { expect, it } from 'vitest';

import { splitLines } from '../../src/spec/lines.ts';

it.each([
  ['', 'newline', []],
  ['\n', 'newline', ['']],
  ['a\nb', 'newline', ['a', 'b']],
  ['a\n\nb\r\n', 'newline', ['a', '', 'b\r']],
  ['a\nb\0c', 'nul', ['a\nb', 'c']],
  ['a\0\0', 'nul', ['a', '']],
] as const)('%j by %s', (text, separator, values) => {
  expect(splitLines(Buffer.from(text), separator)).toEqual(values);
});

it('keeps every byte', () => {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  expect(Buffer.from(splitLines(bytes).join('\n'), 'latin1')).toEqual(bytes);
});
