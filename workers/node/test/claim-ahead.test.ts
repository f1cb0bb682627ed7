import { expect, test } from 'vitest';

import { claimAhead } from '../src/claim-ahead.ts';

const alone = { left: 1_000_000, nodes: 1 };

test('a node claims ahead only what it knows to be short', () => {
  expect(claimAhead({ slots: 2, meanMs: undefined, ...alone })).toBe(0);
  expect(claimAhead({ slots: 2, meanMs: 60_000, ...alone })).toBe(0);
  expect(claimAhead({ slots: 2, meanMs: 10, ...alone })).toBe(100);
  expect(claimAhead({ slots: 64, meanMs: 0.1, ...alone })).toBe(1000);
});

test('slots that are busy with long jobs claim nothing ahead', () => {
  expect(claimAhead({ slots: 0, meanMs: 10, ...alone })).toBe(0);
  expect(claimAhead({ slots: -1, meanMs: 10, ...alone })).toBe(0);
});

test('near the end several nodes leave each other half of it', () => {
  expect(claimAhead({ slots: 2, meanMs: 10, left: 1000, nodes: 3 })).toBe(100);
  expect(claimAhead({ slots: 2, meanMs: 10, left: 60, nodes: 3 })).toBe(10);
  expect(claimAhead({ slots: 2, meanMs: 10, left: 2, nodes: 3 })).toBe(1);
});
