import { expect, test } from 'vitest';

import { commonBeginning, downwards } from '../../src/mon/names.ts';

test.each([
  [['node-001', 'node-012'], 'node-'],
  [['n1', 'n10', 'n12'], 'n'],
  [['rack1-a', 'rack1-b'], 'rack1-'],
  [['rack1-a', 'rack2-a'], 'rack'],
  [['vega', 'vela'], ''],
  [['a.x.org', 'b.x.org'], ''],
  [['same', 'same2'], ''],
  [['alone-1'], ''],
  [[], ''],
])('%j have %j in common', (names, beginning) => {
  expect(commonBeginning(names)).toBe(beginning);
});

test('downwards', () => {
  expect(downwards(['ab', 'c'], 2, 3)).toEqual(['a  c  ', 'b     ']);
  expect(downwards(['vega', 'n12'], 2, 1)).toEqual(['v1', 'e2']);
});
