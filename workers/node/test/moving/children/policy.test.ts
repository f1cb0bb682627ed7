import type { Child } from '@omx/launch';
import { describe, expect, test } from 'vitest';

import { candidatesAmong, leastCpuMs, placeFor, surplusOf } from '../../../src/moving/children/policy.ts';
import { nodeInfo } from '../nodes.ts';

const child = (pid: number, cpuMs: number, isBusy = true): Child => ({ pid, startTicks: 1, cpuMs, isBusy });

describe('how many children are too many', () => {
  test.each([
    [{ busyChildren: 5, otherSlots: 0, cpus: 2, slots: 2 }, 3],
    [{ busyChildren: 2, otherSlots: 0, cpus: 2, slots: 2 }, 0],
    [{ busyChildren: 2, otherSlots: 1, cpus: 2, slots: 2 }, 1],
    [{ busyChildren: 4, otherSlots: 0, cpus: 8, slots: 3 }, 1],
    // A part of a processor is one, or nothing could stay.
    [{ busyChildren: 2, otherSlots: 0, cpus: 0.5, slots: 2 }, 1],
    [{ busyChildren: 0, otherSlots: 0, cpus: 2, slots: 2 }, 0],
  ])('%o: %i', (crowd, surplus) => {
    expect(surplusOf(crowd)).toBe(surplus);
  });
});

test('those go that compute and have computed for long, the longest first', () => {
  const children = [child(1, leastCpuMs - 1), child(2, leastCpuMs), child(3, 60_000, false), child(4, 9000)];
  expect(candidatesAmong(children).map(({ pid }) => pid)).toEqual([4, 2]);
});

describe('where a child goes', () => {
  const nodes = [
    nodeInfo('n1', { slots: 4, maxSlots: 4, running: 3 }),
    nodeInfo('n2', { slots: 4, maxSlots: 4, running: 1 }),
    nodeInfo('n3', { slots: 8, maxSlots: 8, running: 0, state: 'draining' }),
  ];

  test('to the node with most free slots that is up', () => {
    expect(placeFor(nodes, () => 0)).toBe('n2');
  });

  test('what was sent there and is not told of yet counts', () => {
    expect(placeFor(nodes, ({ name }) => (name === 'n2' ? 3 : 0))).toBe('n1');
    expect(placeFor(nodes, () => 3)).toBeUndefined();
  });

  test('among equals at random', () => {
    const equal = ['a', 'b'].map((name) => nodeInfo(name, { slots: 2, maxSlots: 2, running: 1 }));
    const orders = [0.2, 0.1, 0.1, 0.2];
    const random = (): number => orders.shift() ?? 0;
    expect([placeFor(equal, () => 0, random), placeFor(equal, () => 0, random)]).toEqual(['b', 'a']);
  });
});
