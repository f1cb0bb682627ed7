import { describe, expect, test } from 'vitest';

import {
  canHold,
  type Capacity,
  ClaimRoom,
  type Demand,
  fits,
  type JobDemand,
  nothing,
  startable,
} from '../src/capacity.ts';

const GiB = 2 ** 30;
const node: Capacity = { slots: 4, maxSlots: 4, memBytes: 8 * GiB };
const used = (slots: number, gib = 0): Required<Demand> => ({ slots, memBytes: gib * GiB });
const job = (slots: number, gib?: number): Demand => (gib === undefined ? { slots } : { slots, memBytes: gib * GiB });

test('what a node could ever hold', () => {
  expect(canHold(node, job(4, 8))).toBe(true);
  expect(canHold(node, job(5))).toBe(false);
  expect(canHold(node, job(1, 9))).toBe(false);
  // It counts what it has, not what it offers while others use it.
  expect(canHold({ ...node, slots: 1 }, job(4))).toBe(true);
});

test.each<[string, Capacity, Required<Demand>, Demand, boolean]>([
  ['beside others', node, used(2), job(2), true],
  ['one slot too many', node, used(2), job(3), false],
  ['memory that is left', node, used(1, 6), job(1, 2), true],
  ['memory that is not', node, used(1, 6), job(1, 3), false],
  ['who asks for no memory when all is promised', node, used(1, 8), job(1), true],
  ['a large one on a node others use, with nothing else of ours', { ...node, slots: 2 }, nothing, job(4), true],
  ['a large one on a node others use, beside ours', { ...node, slots: 2 }, used(1), job(2), false],
])('%s', (_name, capacity, taken, demand, expected) => {
  expect(fits(capacity, taken, demand)).toBe(expected);
});

describe('starting what is claimed', () => {
  test('in order, as many as there is room for', () => {
    const ready = [job(1), job(2), job(1), job(1)];
    expect(startable(node, used(0), ready)).toEqual(ready.slice(0, 3));
  });

  test('small ones do not pass a large one that waits for slots', () => {
    expect(startable(node, used(3), [job(4), job(1)])).toEqual([]);
  });

  test('one that waits for memory is passed by those that ask for none, and keeps its slot', () => {
    const ready = [job(1, 8), job(1), job(1, 1), job(1), job(1)];
    expect(startable(node, used(1, 1), ready)).toEqual([ready[1]]);
  });

  test('a node that offers no slot starts one job at a time', () => {
    const crowded = { ...node, slots: 0 };
    expect(startable(crowded, used(0), [job(1), job(1)])).toHaveLength(1);
    expect(startable(crowded, used(1), [job(1)])).toEqual([]);
  });
});

describe('claiming', () => {
  test('one job that does not fit waits, and only one', () => {
    const room = new ClaimRoom(node, 0, used(3));
    expect(room.take(job(4))).toBe(true);
    expect(room.isOpen).toBe(false);
    expect(room.take(job(1))).toBe(false);
  });

  test('while one waits for memory no other that asks for memory is claimed', () => {
    const room = new ClaimRoom(node, 0, used(1, 4));
    expect(room.take(job(1, 6))).toBe(true);
    expect(room.admits(job(1, 5))).toBe(false);
    expect(room.admits(job(1, 1))).toBe(false);
    expect(room.take(job(1))).toBe(true);
  });

  test('short jobs are claimed ahead', () => {
    const room = new ClaimRoom(node, 10, used(4));
    const claimed = Array.from({ length: 20 }, () => room.take(job(1))).filter(Boolean);
    expect(claimed).toHaveLength(10);
  });

  test('what the node can never hold is not claimed, however empty it is', () => {
    expect(new ClaimRoom(node, 100, nothing).take(job(5))).toBe(false);
    expect(new ClaimRoom(node, 100, nothing).take(job(1, 9))).toBe(false);
  });

  test('what could not be had leaves its place', () => {
    const room = new ClaimRoom({ ...node, slots: 1 }, 0, nothing);
    expect([room.take(job(1)), room.take(job(1))]).toEqual([true, false]);
    room.release(job(1));
    expect(room.take(job(1))).toBe(true);
  });
});

describe('jobs that share slots', () => {
  const shared = { ...node, slots: 2, sharedSlots: 8 };
  const sharing = (slots: number, gib?: number): JobDemand => ({ ...job(slots, gib), oversubscribe: true });

  test('start beyond the slots as far as they are shared, and as memory lasts', () => {
    const ready = Array.from({ length: 9 }, () => sharing(1));
    expect(startable(shared, nothing, ready)).toHaveLength(8);
    expect(fits(shared, used(2, 6), sharing(1, 2))).toBe(true);
    expect(fits(shared, used(2, 6), sharing(1, 3))).toBe(false);
    expect(fits(shared, used(2), job(1))).toBe(false);
  });

  test('are claimed where others are not, and none to wait', () => {
    const room = new ClaimRoom({ ...shared, sharedSlots: 3 }, 0, used(2));
    expect([room.admits(job(1)), room.take(sharing(1)), room.take(sharing(1))]).toEqual([false, true, false]);
    expect(new ClaimRoom({ ...shared, sharedSlots: 2 }, 0, used(2)).admits(sharing(1))).toBe(false);
    expect(new ClaimRoom(shared, 0, used(2)).admits(sharing(5))).toBe(false);
  });
});
