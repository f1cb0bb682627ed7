import { batchId, type StateCounts, zeroCounts } from '@omx/core';
import { expect, test } from 'vitest';

import type { BatchCache } from '../../src/batch-cache.ts';
import { JobLengths } from '../../src/moving/job-lengths.ts';

/** Of five jobs. */
async function learned(counts: Partial<StateCounts>): Promise<number | undefined> {
  const cache = { get: async () => ({ batch: { total: 5 } }) } as unknown as BatchCache;
  const progress = async () => ({ counts: { ...zeroCounts(), ...counts }, userUs: 6_000_000, sysUs: 200_000 });
  const lengths = new JobLengths({ cache, batches: { progress } });
  return (await lengths.all(new Set([batchId(1)]))).get(batchId(1));
}

test('the mean CPU time of those that have ended', async () => {
  expect(await learned({ succeeded: 1, running: 4 })).toBe(6200);
  expect(await learned({ succeeded: 2, running: 2, frozen: 1 })).toBe(3100);
});

test.each<[string, Partial<StateCounts>]>([
  ['none has ended', { running: 5 }],
  ['one waits for its start', { succeeded: 1, running: 3, queued: 1 }],
  ['one failed', { succeeded: 1, running: 3, failed: 1 }],
])('nothing while %s', async (_title, counts) => {
  expect(await learned(counts)).toBeUndefined();
});

test('nothing of a batch that is gone', async () => {
  const cache = { get: async () => undefined } as unknown as BatchCache;
  const lengths = new JobLengths({ cache, batches: { progress: () => Promise.reject(new Error('there is none')) } });
  expect(await lengths.all(new Set([batchId(1)]))).toEqual(new Map());
});
