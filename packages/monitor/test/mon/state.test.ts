import { expect, test } from 'vitest';

import { initialMon, monKey, type MonState } from '../../src/mon/state.ts';

const seen = { count: 100, capacity: 40 };

function after(...keys: readonly string[]): MonState | undefined {
  let state: MonState | undefined = initialMon;
  for (const key of keys) state = state && monKey(state, key, seen);
  return state;
}

test.each([
  ['l', { measure: 'load' }],
  ['L', { measure: 'log' }],
  ['s', { measure: 'speed' }],
  ['m', { measure: 'memory' }],
  ['u', { measure: 'use' }],
  ['w', { names: 'wide' }],
  ['v', { names: 'vertical' }],
  ['V', { names: 'tight' }],
  ['d', { dead: true }],
  ['t', { total: true }],
  ['h', { help: true }],
])('%s', (key, expected) => {
  expect(after(key)).toEqual({ ...initialMon, ...expected });
});

test('q and Q leave, any key leaves the help alone', () => {
  expect(after('q')).toBeUndefined();
  expect(after('Q')).toBeUndefined();
  expect(after('h', 'q')).toEqual(initialMon);
  expect(after('d', 'd', 't', 't')).toEqual(initialMon);
  expect(after('x')).toEqual(initialMon);
});

test('scrolling stops at both ends', () => {
  expect(after('left')?.first).toBe(0);
  expect(after('right', 'right')?.first).toBe(2);
  expect(after('pagedown')?.first).toBe(40);
  expect(after('pagedown', 'n', 'right')?.first).toBe(60);
  expect(after('end', 'p')?.first).toBe(20);
  expect(after('end', 'home')?.first).toBe(0);
  // The screen has become wider meanwhile.
  expect(monKey({ ...initialMon, first: 90 }, 'left', seen)?.first).toBe(59);
});
