import { batchId, freshJob } from '@omx/core';
import { queueClock } from '@omx/queue';
import { expect, test } from 'vitest';

import { type Attempt, Attempts } from '../src/attempt.ts';

function attemptOf(more: Partial<Attempt> = {}): Attempt {
  return {
    key: 'b1.1#1',
    batch: batchId(1),
    ordinal: 0,
    index: 1,
    number: 1,
    slots: 2,
    snapshot: { ordinal: 0, record: Buffer.alloc(0), job: freshJob('queued', 0) },
    phase: 'ready',
    launcher: 'plain',
    ...more,
  };
}

test('slots and memory are taken from the start until the process is gone', () => {
  const attempts = new Attempts();
  const attempt = attemptOf({ memBytes: 7 });
  attempts.add(attempt);
  expect(attempts.taken).toEqual({ slots: 0, memBytes: 0 });
  attempts.move(attempt, 'starting');
  attempts.move(attempt, 'running');
  expect(attempts.taken).toEqual({ slots: 2, memBytes: 7 });
  attempts.move(attempt, 'ending');
  expect(attempts.taken).toEqual({ slots: 0, memBytes: 0 });
});

test('a job that was given back and is here again is not removed with what it was before', () => {
  const attempts = new Attempts();
  const [before, again] = [attemptOf({ phase: 'ending' }), attemptOf()];
  attempts.add(before);
  attempts.add(again);
  attempts.remove(before);
  expect(attempts.get('b1.1#1')).toBe(again);
});

test('what becomes of an attempt that was removed gives or takes no slot', () => {
  const attempts = new Attempts();
  const attempt = attemptOf({ phase: 'running' });
  attempts.add(attempt);
  attempts.remove(attempt);
  attempts.move(attempt, 'frozen');
  expect(attempts.taken.slots).toBe(0);
  attempts.move(attempt, 'running');
  expect(attempts.taken.slots).toBe(0);
});

test('slots of long jobs', () => {
  const attempts = new Attempts();
  const now = queueClock.now();
  attempts.add(attemptOf({ key: 'long', phase: 'running', startedAt: now - 5000 }));
  attempts.add(attemptOf({ key: 'short', phase: 'running', startedAt: now }));
  attempts.add(attemptOf({ key: 'gone', phase: 'ending', startedAt: now - 5000 }));
  expect(attempts.slotsHeldFor(1000)).toBe(2);
});
