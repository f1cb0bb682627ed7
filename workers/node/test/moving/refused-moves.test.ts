import { expect, test } from 'vitest';

import { RefusedMoves } from '../../src/moving/refused-moves.ts';

test('a node that would not have a job is left alone for a while, longer each time; others are not', () => {
  const refused = new RefusedMoves(1000);
  refused.add('b1.1', 'n2', 0);
  const seen = [refused.has('b1.1', 'n2', 999), refused.has('b1.1', 'n3', 999), refused.has('b1.2', 'n2', 999)];
  expect(seen).toEqual([true, false, false]);
  expect(refused.has('b1.1', 'n2', 1000)).toBe(false);
  refused.add('b1.1', 'n2', 1000);
  expect([refused.has('b1.1', 'n2', 2999), refused.has('b1.1', 'n2', 3000)]).toEqual([true, false]);
  expect(refused.times('b1.1', 'n2')).toBe(2);
});

test('what is long over is forgotten', () => {
  const refused = new RefusedMoves(1000);
  refused.add('b1.1', 'n2', 0);
  refused.prune(60_000);
  expect(refused.times('b1.1', 'n2')).toBe(1);
  refused.prune(3_600_000);
  expect(refused.times('b1.1', 'n2')).toBe(0);
});
