import { freshJob, type Job, lostAttempt, noOutput, noUsage } from '@omx/core';
import type { StoredImage } from '@omx/queue';
import { expect, test } from 'vitest';

import { isContinued } from '../../src/moving/resume-from-image.ts';

const image: StoredImage = { node: 'n2', attempt: 2, digest: 'abc', bytes: 1, at: 1 };

function attempt(number: number, more: Partial<Job> = {}): Job {
  return { ...freshJob('queued', 0), attempt: number, ...more } as Job;
}

function lost(number: number): Job {
  return lostAttempt(attempt(number), 1);
}

function failed(number: number): Job {
  const end = { outcome: { kind: 'exited', code: 1 }, endedAt: 1, usage: noUsage, output: noOutput } as const;
  return { ...attempt(number), status: 'ended', ...end };
}

test('a job goes on from the image of an attempt that was lost with its node', () => {
  expect(isContinued(attempt(3, { crashes: 1 }), [failed(1), lost(2)], image)).toBe(true);
});

test('also where the attempt that went on from it was lost too', () => {
  expect(isContinued(attempt(4, { crashes: 2 }), [lost(2), lost(3)], image)).toBe(true);
});

test('and where its attempt was given back: that leaves no trace in the history', () => {
  expect(isContinued(attempt(3), [failed(1)], image)).toBe(true);
});

test('what failed by itself begins anew', () => {
  expect(isContinued(attempt(3), [failed(2)], image)).toBe(false);
  expect(isContinued(attempt(4, { crashes: 1 }), [lost(2), failed(3)], image)).toBe(false);
});

test('a rerun begins anew, though nothing but lost attempts went before', () => {
  expect(isContinued(attempt(3, { crashes: 0 }), [lost(2)], image)).toBe(false);
  expect(isContinued(attempt(4, { crashes: 1 }), [lost(2), lost(3)], image)).toBe(false);
});
