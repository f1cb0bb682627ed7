import { type Job, stateName } from '@omx/core';
import { describe, expect, it } from 'vitest';

import type { Target } from '../../src/acting/selected.ts';
import { takesUntouched, untouchedJob } from '../../src/acting/untouched.ts';
import { jobFilter } from '../../src/select.ts';
import { batchOf } from './kit.ts';

function target(whole: boolean, passes: (job: Job) => boolean): Target {
  return {
    batch: batchOf(),
    spans: [{ first: 0, last: 2 }],
    whole,
    passes,
    failedOnly: false,
    narrowed: false,
    isOneOfAll: false,
  };
}

describe('untouchedJob', () => {
  it.each(['queued', 'held', 'cancelled'] as const)('is %s as users see it', (state) => {
    expect(stateName(untouchedJob(state))).toBe(state);
  });
});

describe('takesUntouched', () => {
  it('is for whole batches alone', () => {
    expect(takesUntouched(target(true, jobFilter({})), 'queued')).toBe(true);
    expect(takesUntouched(target(false, jobFilter({})), 'queued')).toBe(false);
  });

  it('keeps to --state', () => {
    const held = target(true, jobFilter({ state: 'held,running' }));
    expect(takesUntouched(held, 'held')).toBe(true);
    expect(takesUntouched(held, 'queued')).toBe(false);
    expect(takesUntouched(target(true, jobFilter({ failed: true })), 'queued')).toBe(false);
  });
});
