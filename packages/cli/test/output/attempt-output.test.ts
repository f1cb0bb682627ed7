import { applyEvent, freshJob, type Job, type JobEvent, noUsage } from '@omx/core';
import { describe, expect, it } from 'vitest';

import { attemptsOver, outputOf } from '../../src/output/attempt-output.ts';

function after(...events: JobEvent[]): { job: Job; pack: number | undefined } {
  const job = events.reduce<Job>((before, event) => applyEvent(before, event) as Job, freshJob('queued', 0));
  return { job, pack: 4 };
}

const lease: JobEvent = { type: 'lease', node: 2 };
const start: JobEvent = { type: 'start', attempt: 1, at: 1, launcher: 'plain' };
const output = { place: 'queue', outBytes: 3, errBytes: 5, truncated: false } as const;
const end: JobEvent = { type: 'end', attempt: 1, at: 2, outcome: { kind: 'exited', code: 1 }, usage: noUsage, output };

describe('outputOf', () => {
  it('is nothing before the attempt has begun', () => {
    expect(outputOf(7, after())).toBeUndefined();
    expect(outputOf(7, after(lease))).toBeUndefined();
    expect(outputOf(7, after(lease, start, end, { type: 'retry', at: 3 }))).toBeUndefined();
    expect(
      outputOf(7, after(lease, start, end, { type: 'retry', at: 3 }, { type: 'cancel', by: 'user', at: 4 })),
    ).toBeUndefined();
  });

  it('is on the node while the attempt runs, then where the record says', () => {
    expect(outputOf(7, after(lease, start))).toMatchObject({ ordinal: 7, attempt: 1, node: 2, place: 'live' });
    expect(outputOf(7, after(lease, start, end))).toEqual({
      ordinal: 7,
      attempt: 1,
      node: 2,
      place: 'queue',
      bytes: { out: 3, err: 5 },
      pack: 4,
    });
  });
});

describe('attemptsOver', () => {
  it('counts attempts whose output grows no more', () => {
    const states = [
      after(),
      after(lease),
      after(lease, start),
      after(lease, start, end),
      after(lease, start, end, { type: 'retry', at: 3 }),
    ];
    expect(states.map(attemptsOver)).toEqual([0, 0, 0, 1, 1]);
    expect(attemptsOver(after(lease, start, end, { type: 'retry', at: 3 }, lease))).toBe(1);
  });
});
