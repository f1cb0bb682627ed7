import { describe, expect, test } from 'vitest';

import { cut, displayWidth, oneLine, renderTable } from '../../src/render/table.ts';

describe('renderTable', () => {
  test('columns are as wide as their widest cell, numbers stand on the right', () => {
    expect(
      renderTable(
        [{ title: 'id' }, { title: 'n', align: 'right' }, { title: 'x' }],
        [
          ['b7', '1', 'y'],
          ['b10', '200', ''],
        ],
      ),
    ).toEqual(['id     n  x', 'b7     1  y', 'b10  200']);
  });

  test('wide characters take two columns and colours none', () => {
    expect(
      renderTable(
        [{ title: 'a' }, { title: 'b' }],
        [
          ['日本', 'x'],
          ['\u001b[31mred\u001b[39m', 'x'],
        ],
      ),
    ).toEqual(['a     b', '日本  x', '\u001b[31mred\u001b[39m   x']);
  });

  test('a minimum width holds for rows not yet known', () => {
    expect(renderTable([{ title: 'a', minWidth: 4 }, { title: 'b' }], [['1', '2']])).toEqual(['a     b', '1     2']);
  });
});

test('control characters are shown, not obeyed', () => {
  expect(oneLine('a\nb\t\u001b[31m\u0007')).toBe('a\\nb\\t\\e[31m\\x07');
});

test('a cut text is never wider than asked', () => {
  expect(cut('short', 5)).toBe('short');
  expect(cut('longer', 5)).toBe('long…');
  expect(displayWidth(cut('日本語日本語', 5))).toBeLessThanOrEqual(5);
});
