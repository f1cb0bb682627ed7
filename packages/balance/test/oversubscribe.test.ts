import { expect, test } from 'vitest';

import { mostShared, sharedPatienceMs, sharedSlots } from '../src/index.ts';

const node = (slots: number, running: number) => ({ slots, running });

test('a node alone shares its slots as far as that goes', () => {
  expect(sharedSlots(2, [], 0)).toBe(2 * mostShared);
  // The others are crowded by their owners and offer nothing.
  expect(sharedSlots(2, [node(0, 0)], 0)).toBe(2 * mostShared);
});

test('while another has a slot free, work is left to it, but not for ever', () => {
  const others = [node(4, 3), node(2, 2)];
  expect(sharedSlots(2, others, sharedPatienceMs - 1)).toBe(2);
  expect(sharedSlots(2, others, sharedPatienceMs)).toBe(2 * mostShared);
});

test('all fill alike: one job more than the least crowded, for the size of each', () => {
  expect(sharedSlots(1, [node(1, 1), node(1, 3)], 0)).toBe(2);
  expect(sharedSlots(4, [node(2, 3)], 0)).toBe(7);
  expect(sharedSlots(1, [node(8, 12)], 0)).toBe(2);
});

test('twelve jobs on three nodes of one slot, each hearing late of the others', () => {
  const running = [0, 0, 0];
  let told = [...running];
  let left = 12;
  for (let beat = 0; left > 0 && beat < 20; beat += 1) {
    for (const [at, mine] of running.entries()) {
      const others = told.filter((_, other) => other !== at).map((count) => node(1, count));
      const room = mine === 0 ? 1 : sharedSlots(1, others, 0) - mine;
      const taken = Math.min(left, Math.max(0, room));
      running[at] = mine + taken;
      left -= taken;
      expect(Math.max(...running) - Math.min(...running)).toBeLessThanOrEqual(2);
    }
    told = [...running];
  }
  expect(running).toEqual([4, 4, 4]);
});
