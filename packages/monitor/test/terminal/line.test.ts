import { expect, test } from 'vitest';

import { apart, cut, displayWidth, fit, harmless, line, lineText, wrap } from '../../src/terminal/line.ts';
import { paintLine } from '../../src/terminal/paint.ts';

test('texts are cut and filled by the columns they take', () => {
  expect(cut('abc', 2)).toBe('ab');
  expect(cut('日本語', 5)).toBe('日本');
  expect(cut('abc', 0)).toBe('');
  expect(fit('日本', 5)).toBe('日本 ');
  expect(fit('7', 3, 'right')).toBe('  7');
  expect(displayWidth('日本')).toBe(4);
});

test('a long text goes on on the next line, also where a character is wider than the screen', () => {
  expect(wrap('abcdefg', 3)).toEqual(['abc', 'def', 'g']);
  expect(wrap('日本', 1)).toEqual(['日', '本']);
  expect(wrap('', 5)).toEqual(['']);
});

test('two texts stand apart, and the right one gives way', () => {
  expect(lineText(apart(line('left'), line('right'), 12))).toBe('left   right');
  expect(lineText(apart(line('left'), line('right'), 10))).toBe('left');
});

test('what programs are called cannot steer the terminal', () => {
  expect(harmless('a\u001b[2Jb\nc\u202ed\u009b')).toBe('a?[2Jb?c?d?');
  expect(paintLine(line('x\u001b[31my'), 20, true)).toBe('x?[31my\u001b[K');
});

test('a line is cut to the width; what fills it exactly is not followed by clearing', () => {
  expect(paintLine([...line('ab', 'own'), ...line('cd')], 3, true)).toBe('\u001b[32mab\u001b[mc');
  expect(paintLine(line('abc'), 4, true)).toBe('abc\u001b[K');
});

test('without colours a line keeps what is bold and reversed, and nothing else', () => {
  const painted = paintLine(
    [...line('own', 'own'), ...line('others', 'external'), ...line('bad', 'bad'), ...line('row', 'marked')],
    80,
    false,
  );
  expect(painted).toBe('ownothers\u001b[1mbad\u001b[m\u001b[7mrow\u001b[m\u001b[K');
});

test('no colour that only one ground can bear', () => {
  const styles = ['plain', 'strong', 'marked', 'own', 'external', 'warning', 'bad'] as const;
  for (const style of styles) {
    const codes = [...paintLine(line('x', style), 9, true).matchAll(/\[([\d;]*)m/g)].flatMap(([, all = '']) =>
      all.split(';'),
    );
    for (const code of codes) expect(['', '1', '7', '31', '32', '35']).toContain(code);
  }
});
