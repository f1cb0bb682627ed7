import { batchId, freshJob } from '@omx/core';
import { expect, test } from 'vitest';

import type { Attempt } from '../src/attempt.ts';
import { IdleNotice } from '../src/idle-notice.ts';
import { formatIdle, freeOf, overdue, parseIdle } from '../src/sharing.ts';

function claimed(number: number, claimedAt: number, slots = 1): Attempt {
  return {
    key: `b1.${number}#1`,
    batch: batchId(1),
    ordinal: number - 1,
    index: number,
    number: 1,
    slots,
    snapshot: { ordinal: number - 1, record: Buffer.alloc(0), job: freshJob('queued', 0) },
    phase: 'ready',
    launcher: 'plain',
    claimedAt,
  };
}

test('what has waited for long and does not start now may go to another node', () => {
  const capacity = { slots: 2, maxSlots: 2, memBytes: 100 };
  const ready = [claimed(1, 0), claimed(2, 0), claimed(3, 900), claimed(4, 100)];
  const keys = (running: number): string[] =>
    overdue(capacity, { slots: running, memBytes: 0 }, ready, 1000).map(({ key }) => key);
  expect(keys(2)).toEqual(['b1.1#1', 'b1.2#1', 'b1.4#1']);
  expect(keys(1)).toEqual(['b1.2#1', 'b1.4#1']);
  expect(keys(0)).toEqual(['b1.4#1']);
});

test('an idle node says what it could start', () => {
  const capacity = { slots: 3, maxSlots: 4, memBytes: Infinity };
  const idle = { name: 'n2', free: freeOf(capacity, { slots: 1, memBytes: 50 }) };
  expect(idle.free).toEqual({ slots: 2, memBytes: Infinity });
  expect(parseIdle(formatIdle(idle))).toEqual(idle);
  expect(freeOf(capacity, { slots: 0, memBytes: 0 }).slots).toBe(4);
});

test('a node says that it is idle at most once a second, ever more rarely, and is silent after a minute', () => {
  const notice = new IdleNotice(0);
  const said: number[] = [];
  for (let now = 1000; now <= 300_000; now += 250) if (notice.isDue(now)) said.push(now / 1000);
  expect(said).toEqual([1, 2, 4, 8, 16, 32]);
  notice.stir(400_000);
  expect(notice.isDue(400_000)).toBe(true);
  expect(notice.isDue(400_999)).toBe(false);
  notice.stir(400_999);
  expect(notice.isDue(401_000)).toBe(true);
});
