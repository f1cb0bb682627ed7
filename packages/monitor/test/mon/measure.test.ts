import { expect, test } from 'vitest';

import { barCells } from '../../src/mon/bars.ts';
import { measures, roundUp } from '../../src/mon/measure.ts';
import { ascii, blocks } from '../../src/terminal/terminal.ts';
import { node } from '../kit.ts';

test.each([
  [1, 1],
  [1.01, 1.5],
  [2.4, 3],
  [13.35, 15],
  [99, 100],
  [0.3, 0.3],
])('an axis for %d ends at %d', (value, top) => {
  expect(roundUp(value)).toBeCloseTo(top);
});

test('load is by CPU: a large and a small node that are equally pressed look alike', () => {
  expect(measures.load.bar(node('big', { cpus: 64, load: 64, externalLoad: 16 }))).toEqual({
    solid: 0.75,
    light: 0.25,
    text: '1.00',
  });
  expect(measures.load.bar(node('small', { cpus: 4, load: 4, externalLoad: 1 }))).toEqual({
    solid: 0.75,
    light: 0.25,
    text: '1.00',
  });
  expect(measures.load.ceiling(0.2)).toBe(1);
});

const glyphsOf = (solid: number, light: number, rows: number): string =>
  barCells({ solid, light, text: '' }, (value) => value, rows, blocks)
    .map(({ glyph }) => glyph)
    .join('');

test('bars are exact to an eighth of a row', () => {
  expect(glyphsOf(0, 0, 4)).toBe('    ');
  expect(glyphsOf(1, 0, 4)).toBe('████');
  expect(glyphsOf(0.5, 0, 4)).toBe('██  ');
  expect(glyphsOf(0.53125, 0, 4)).toBe('██▁ ');
  expect(glyphsOf(0.001, 0, 4)).toBe('▁   ');
  expect(glyphsOf(2, 0, 4)).toBe('████');
});

test('the light part is above the solid one, and seen even where it is small', () => {
  expect(glyphsOf(0.5, 0.5, 4)).toBe('██░░');
  expect(glyphsOf(0, 0.5, 4)).toBe('░░  ');
  expect(glyphsOf(0.95, 0.05, 4)).toBe('███░');
  expect(glyphsOf(0, 0.05, 4)).toBe('░   ');
  expect(glyphsOf(0.05, 0.95, 4)).toBe('█░░░');
  expect(barCells({ solid: 0.5, light: 0.5, text: '' }, (value) => value, 2, ascii)).toEqual([
    { glyph: '#', style: 'own' },
    { glyph: '+', style: 'external' },
  ]);
});
