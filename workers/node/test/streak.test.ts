import { describe, expect, test } from 'vitest';

import { batchId, noOutput, noUsage, type Outcome } from '@omx/core';

import { type Failure, signOf, Streak } from '../src/streak.ts';

const failed: Outcome = { kind: 'exited', code: 1 };

function end(outcome: Outcome, ranMs?: number) {
  const at = 1_000_000;
  const facts = { at, outcome, usage: noUsage, output: noOutput };
  return ranMs === undefined ? facts : { ...facts, started: { at: at - ranMs, launcher: 'plain' as const } };
}

test.each([
  [end(failed, 2), 'failed-at-once'],
  [end({ kind: 'signalled', signal: 11 }, 2000), 'failed-at-once'],
  [end({ kind: 'not-started', reason: 'no-such-program' }), 'failed-at-once'],
  [end(failed, 2001), 'failed'],
  [end({ kind: 'timed-out' }, 1), 'good'],
  [end({ kind: 'succeeded' }, 1), 'good'],
  [end({ kind: 'cancelled', by: 'user' }, 1), 'none'],
] as const)('%o says %s', (told, sign) => {
  expect(signOf(told)).toBe(sign);
});

describe('a streak', () => {
  const failure = (at: number): Failure => ({
    batch: batchId(1),
    ordinal: at,
    index: at,
    attempt: 1,
    retried: false,
    at,
  });

  test('begins anew after a long time without a job', () => {
    const streak = new Streak();
    for (const at of [0, 60_000, 120_001]) streak.add(failure(at));
    expect(streak.failures).toEqual([failure(120_001)]);
    expect(streak.length).toBe(1);
  });

  test('keeps the newest, however long it grows', () => {
    const streak = new Streak();
    for (let at = 1; at <= 50_000; at += 1) streak.add(failure(at));
    expect(streak.length).toBe(50_000);
    expect(streak.failures.length).toBeLessThan(20_000);
    expect(streak.failures.at(-1)).toEqual(failure(50_000));
  });
});
