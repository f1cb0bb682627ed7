import { expect, test } from 'vitest';
import { numberOrText } from '../src/numeric-text.ts';

test.each([
  ['0', 0],
  ['-12', -12],
  ['+3', 3],
  ['.5', 0.5],
  ['1e-05', 1e-5],
  ['1.5E3', 1500],
  ['1e+06', 1e6],
])('%s is a number', (text, value) => {
  expect(numberOrText(text)).toBe(value);
});

test.each(['', '007', '1e5', '12e4567', '0x1f', '1,5', '1.', 'NaN', 'Infinity', '1e+999', '9007199254740993'])(
  '%j stays text',
  (text) => {
    expect(numberOrText(text)).toBe(text);
  },
);
