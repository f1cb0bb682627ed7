import { batchId, freshJob, noUsage, OmxError } from '@omx/core';
import type { EndedEvent } from '@omx/launch';
import { beforeEach, expect, test } from 'vitest';

import type { Attempt } from '../../src/attempt.ts';
import { freezing } from '../../src/moving/freezing.ts';

const sigtrap = 5;
const sigpipe = 13;
let attempt: Attempt;
let heard: string[];
const executor = {
  hearEnd: (_: Attempt, { signal }: EndedEvent) => void heard.push(`ended by ${signal}`),
  lose: () => void heard.push('lost'),
};

beforeEach(() => {
  heard = [];
  attempt = {
    ...{ key: 'b1.1#1', batch: batchId(1), ordinal: 0, index: 1, number: 1, slots: 1 },
    ...{ phase: 'running', launcher: 'criu', snapshot: { job: freshJob('queued', 0) } as Attempt['snapshot'] },
  };
});

function dies(signal: number, more: Partial<EndedEvent> = {}): void {
  attempt.hears?.({
    ...{ type: 'ended', key: attempt.key, pid: 1, startedAt: 1, endedAt: 2, signal, reason: 'none', usage: noUsage },
    ...{ oomKilled: false, outBytes: 0, errBytes: 0, truncated: false },
    ...more,
  });
}

async function failing(code: string, meanwhile: () => void): Promise<void> {
  const freeze = async (): Promise<never> => {
    meanwhile();
    throw new OmxError('no image', { code });
  };
  await expect(freezing(attempt, executor, freeze)).rejects.toMatchObject({ code });
  expect(attempt.hears).toBeUndefined();
}

test.for([
  ['a fault', sigtrap],
  ['an answer to a criu that is no more', sigpipe],
] as const)('a job that dies of %s as criu ends is lost', async ([, signal]) => {
  await failing('CRIU_DIED', () => dies(signal));
  expect(heard).toEqual(['lost']);
});

test('also where that is told only after criu’s death', async () => {
  await failing('CRIU_DIED', () => void setImmediate(() => dies(sigtrap)));
  expect(heard).toEqual(['lost']);
});

test('one that dies so while criu lives has failed', async () => {
  await failing('NOT_RUNNING', () => dies(sigtrap));
  expect(heard).toEqual([`ended by ${sigtrap}`]);
});

test.for<[string, number, Partial<EndedEvent>]>([
  ['a signal that somebody sends', 15, {}],
  ['its time limit', sigtrap, { reason: 'timeout' }],
  ['the death of the shepherd', 9, { lost: true }],
])('an end by %s is told at once', async ([, signal, more]) => {
  await failing('CRIU_DIED', () => {
    dies(signal, more);
    expect(heard).toEqual([`ended by ${signal}`]);
  });
  expect(heard).toHaveLength(1);
});

test('what is frozen is heard of by others from then on', async () => {
  expect(await freezing(attempt, executor, async () => 'image')).toBe('image');
  expect(attempt.hears).toBeUndefined();
  expect(heard).toEqual([]);
});
