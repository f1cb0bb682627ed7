import { batchId } from '@omx/core';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { type Attempt, Attempts } from '../../src/attempt.ts';
import { ExpectedJobs } from '../../src/moving/expected-jobs.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function nodeWith(slots: number, taken: number) {
  const attempts = new Attempts();
  const executor = { used: { slots: taken, memBytes: 0 }, onRoom: vi.fn<() => void>() };
  const capacity = () => ({ slots, maxSlots: slots, memBytes: Infinity });
  const expected = new ExpectedJobs({ node: 'n2', attempts, executor, capacity });
  const ask = (ordinal: number, needs = 1) =>
    expected.expect({ type: 'expect', batch: batchId(1), ordinal, attempt: 1, slots: needs });
  return { attempts, executor, expected, ask };
}

const full = { refused: 'node n2 is full; the next slot that gets free there is kept for it' };

test('a slot that gets free is kept for it, as long as it asks', () => {
  const { executor, expected, ask } = nodeWith(1, 1);
  expect(expected.takesAll).toBe(false);
  expect(ask(1)).toEqual(full);
  expect(expected.takesAll).toBe(true);
  vi.advanceTimersByTime(2000);
  executor.used.slots = 0;
  expect(expected.takesAll).toBe(true);
  expect(ask(1)).toEqual({ done: true });
  vi.advanceTimersByTime(2000);
  expect(expected.takesAll).toBe(true);
  executor.onRoom.mockClear();
  vi.advanceTimersByTime(1000);
  expect(expected.takesAll).toBe(false);
  // So that the queue is looked at again.
  expect(executor.onRoom).toHaveBeenCalledTimes(1);
});

test('who asked first is served first', () => {
  const { executor, ask } = nodeWith(2, 2);
  ask(1);
  ask(2);
  executor.used.slots = 1;
  expect(ask(2)).toEqual(full);
  expect(ask(1)).toEqual({ done: true });
  executor.used.slots = 0;
  expect(ask(2)).toEqual({ done: true });
});

test('what is free beyond that goes to the queue', () => {
  const { executor, expected, ask } = nodeWith(4, 4);
  ask(1, 2);
  executor.used.slots = 2;
  expect(expected.takesAll).toBe(true);
  executor.used.slots = 1;
  expect(expected.takesAll).toBe(false);
});

test('one that has come is not expected any more', () => {
  const { attempts, expected, ask } = nodeWith(1, 1);
  ask(1);
  attempts.add({ key: 'b1.1#1', phase: 'arriving', slots: 1 } as Attempt);
  expect(expected.takesAll).toBe(false);
});
