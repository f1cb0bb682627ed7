import { batchId, freshJob } from '@omx/core';
import { expect, test } from 'vitest';

import type { Attempt } from '../src/attempt.ts';
import { inOneWrite, type Report } from '../src/report.ts';

const attempt: Attempt = {
  ...{ key: 'b1.1#1', batch: batchId(1), ordinal: 0, index: 1, number: 1, slots: 1 },
  snapshot: { ordinal: 0, record: Buffer.alloc(0), job: freshJob('queued', 0) },
  ...{ phase: 'running', launcher: 'plain' },
};
const reportOf = (rowBytes?: number): Report => ({ attempt, event: { type: 'pause' }, rowBytes });
const mebibyte = 1024 * 1024;

test('a write takes 500 reports at most, the first ones', () => {
  const pending = Array.from({ length: 700 }, () => reportOf());
  expect(inOneWrite(pending)).toEqual(pending.slice(0, 500));
  expect(inOneWrite(pending.slice(0, 3))).toHaveLength(3);
  expect(inOneWrite([])).toEqual([]);
});

test('and no more rows than 32 MiB, but those of one job in any case', () => {
  expect(inOneWrite(Array.from({ length: 9 }, () => reportOf(8 * mebibyte)))).toHaveLength(4);
  expect(inOneWrite([reportOf(40 * mebibyte), reportOf(1)])).toHaveLength(1);
  expect(inOneWrite([reportOf(1), reportOf(40 * mebibyte)])).toHaveLength(1);
});
