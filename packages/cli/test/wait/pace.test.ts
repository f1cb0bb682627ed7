import { expect, test } from 'vitest';

import { Pace } from '../../src/wait/pace.ts';

test('a handful of looks at once, then ten a second', () => {
  const pace = new Pace(0);
  let now = 0;
  let looks = 0;
  const gaps: number[] = [];
  while (now < 10_000) {
    const gap = pace.gapAfter(now, now + 1);
    gaps.push(gap);
    looks += 1;
    now += 1 + gap;
  }
  expect(gaps.slice(0, 5)).toEqual([0, 0, 0, 0, 0]);
  expect(looks).toBeLessThan(110);
  expect(looks).toBeGreaterThan(95);
});

test('a slow look is followed by a longer rest', () => {
  expect(new Pace(0).gapAfter(0, 1000)).toBe(4950);
});
