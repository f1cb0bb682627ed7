import { expect, test } from 'vitest';

import { claimAhead } from '../src/intake.ts';
import { satisfies } from '../src/placement.ts';

test.each([
  ['any', true],
  ['node=n1', true],
  ['node=n0,node=n1', true],
  ['node=n2', false],
  ['label=gpu~yes', true],
  ['label=gpu~no', false],
  ['label=disk~a%3Db', true],
  ['node=n1,label=gpu~yes', true],
  ['node=n2,label=gpu~yes', false],
])('%s on n1 with gpu=yes and disk=a=b: %s', (placementClass, expected) => {
  expect(satisfies(placementClass, 'n1', { gpu: 'yes', disk: 'a=b' })).toBe(expected);
});

test('a node claims ahead only what it knows to be short', () => {
  expect(claimAhead(2, undefined)).toBe(0);
  expect(claimAhead(2, 60_000)).toBe(0);
  expect(claimAhead(2, 10)).toBe(100);
  expect(claimAhead(64, 0.1)).toBe(1000);
});
