import { freshJob, type Outcome, parseRetryOn } from '@omx/core';
import { expect, test } from 'vitest';

import { backoffMs, mayRetry, nextTry } from '../src/retry.ts';

const limits = {
  cpus: 1,
  graceMs: 0,
  retries: 2,
  retryOn: parseRetryOn(['any']),
  backoff: { minMs: 1000, maxMs: 5000 },
};

test.each<[string, Outcome, boolean]>([
  ['any', { kind: 'exited', code: 1 }, true],
  ['any', { kind: 'signalled', signal: 11 }, true],
  ['any', { kind: 'timed-out' }, true],
  ['any', { kind: 'oom' }, true],
  ['any', { kind: 'not-started', reason: 'no-such-program' }, false],
  ['any', { kind: 'cancelled', by: 'user' }, false],
  ['not-started', { kind: 'not-started', reason: 'no-such-program' }, true],
  ['exit=2', { kind: 'exited', code: 1 }, false],
  ['exit=1,2', { kind: 'exited', code: 2 }, true],
  ['timeout', { kind: 'exited', code: 1 }, false],
])('--retry-on %s: %j → %s', (rule, outcome, expected) => {
  expect(mayRetry(outcome, parseRetryOn([rule]))).toBe(expected);
});

test('backoff doubles up to its limit, half to all of it by chance', () => {
  expect([0, 1, 2, 3, 40].map((used) => backoffMs(used, limits.backoff, () => 1))).toEqual([
    1000, 2000, 4000, 5000, 5000,
  ]);
  expect(backoffMs(0, limits.backoff, () => 0)).toBe(500);
});

test('retries run out', () => {
  const job = freshJob('queued', 0);
  const failed: Outcome = { kind: 'exited', code: 1 };
  expect(nextTry({ ...job, retries: 1 }, failed, limits, { now: () => 10_000 }, () => 1)).toBe(12_000);
  expect(nextTry({ ...job, retries: 2 }, failed, limits, { now: () => 10_000 })).toBeUndefined();
});
