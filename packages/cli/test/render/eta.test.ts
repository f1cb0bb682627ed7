import { zeroCounts } from '@omx/core';
import { expect, test } from 'vitest';

import { etaMs } from '../../src/render/eta.ts';

test('the rest takes as long as what is done took', () => {
  expect(etaMs({ ...zeroCounts(), succeeded: 9, failed: 1, queued: 30 }, 40, 1000, 11_000)).toBe(30_000);
});

test('cancelled jobs say nothing about the rate', () => {
  expect(etaMs({ ...zeroCounts(), succeeded: 5, cancelled: 10, running: 5 }, 20, 0, 1000)).toBe(1000);
});

test.each([
  ['nothing has ended', { queued: 10 }],
  ['all has ended', { succeeded: 10 }],
  ['the rest is held', { succeeded: 5, held: 5 }],
])('no guess where %s', (_name, counts) => {
  expect(etaMs({ ...zeroCounts(), ...counts }, 10, 0, 1000)).toBeUndefined();
});
