import { expect, test } from 'vitest';

import { ascii, blocks, glyphsFor } from '../../src/terminal/terminal.ts';

test.each([
  [{ LANG: 'en_US.UTF-8' }, blocks],
  [{ LC_ALL: 'C.utf8', LANG: 'C' }, blocks],
  [{ LC_ALL: '', LC_CTYPE: 'C', LANG: 'en_US.UTF-8' }, ascii],
  [{ LANG: 'de_DE.ISO-8859-1' }, ascii],
  [{}, ascii],
])('the locale %j decides what bars are made of', (env, glyphs) => {
  expect(glyphsFor(env)).toBe(glyphs);
});

test('ASCII glyphs are ASCII, one for each eighth', () => {
  expect(ascii.eighths).toHaveLength(8);
  expect(blocks.eighths).toHaveLength(8);
  expect(Object.values(ascii).join('')).toMatch(/^[ -~]*$/);
});
