import { expect, test } from 'vitest';

import { EventIndex } from '../../src/events/event-index.ts';

test('an index gives many events back in order of time, and of those of one moment in order of jobs', () => {
  const index = new EventIndex();
  const count = 5000;
  // 7919 and 5000 have no common factor: every number once, far out of order.
  for (let at = 0; at < count; at += 1) {
    const number = (at * 7919) % count;
    index.add({ at: 1e12 + Math.floor(number / 2), source: 3, ordinal: number, rank: 9 });
  }
  expect(index.size).toBe(count);
  const portions = [...index.inOrder(999)];
  expect(portions.map((portion) => portion.length)).toEqual([999, 999, 999, 999, 999, 5]);
  expect(portions.flat().map(({ ordinal }) => ordinal)).toEqual(Array.from({ length: count }, (_, at) => at));
  expect(portions[0]?.[3]).toEqual({ at: 1e12 + 1, source: 3, ordinal: 3, rank: 9 });
});
