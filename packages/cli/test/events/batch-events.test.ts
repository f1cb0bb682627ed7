import { type BatchProgress, zeroCounts } from '@omx/core';
import { describe, expect, test } from 'vitest';

import { batchEvents, cancelTime } from '../../src/events/batch-events.ts';
import { compareEvents, type OmxEvent } from '../../src/events/event.ts';
import { batchOf, submittedAt } from '../watching-kit.ts';

const batch = batchOf({ name: 'fib' });

function progress(counts: Partial<BatchProgress['counts']>, more: Partial<BatchProgress> = {}): BatchProgress {
  return { counts: { ...zeroCounts(), ...counts }, userUs: 0, sysUs: 0, ...more };
}

function note(after: number, text: string): string {
  return `${new Date(submittedAt + after).toISOString()} ${text}`;
}

describe('the events of a batch', () => {
  test('are its submit alone while it waits', () => {
    expect(batchEvents(batch, progress({ queued: 10 }), [])).toEqual([
      { at: submittedAt, type: 'batch-submitted', id: 'b7', name: 'fib', total: 10 },
    ]);
  });

  test('say how it ended, with the states there are, and what was noted, in an order that holds within a moment', () => {
    const ended = progress({ succeeded: 9, failed: 1 }, { firstStartAt: submittedAt, endedAt: submittedAt + 9 });
    const events = batchEvents(batch, ended, [note(9, 'one of its jobs was freed'), 'no time'])
      .toReversed()
      .sort(compareEvents);
    expect(events).toMatchObject([
      { type: 'batch-submitted' },
      { type: 'batch-started', at: submittedAt },
      { type: 'batch-note', at: submittedAt + 9, text: 'one of its jobs was freed' },
      { type: 'batch-ended', at: submittedAt + 9, state: 'failed', counts: { succeeded: 9, failed: 1 } },
    ]);
  });

  test('have no end while a job is left, as after a rerun', () => {
    const again = progress({ succeeded: 9, queued: 1 }, { firstStartAt: submittedAt, endedAt: submittedAt + 9 });
    expect(batchEvents(batch, again, []).map(({ type }) => type)).not.toContain('batch-ended');
  });
});

test('a batch ends after its jobs, whose ends are known to less than a millisecond', () => {
  const jobEnd = (at: number): OmxEvent => ({
    ...{ at, type: 'job-ended', id: 'b7.3', attempt: 1, node: 'n1' },
    ...{ outcome: 'succeeded', exitCode: 0, signal: null },
  });
  const ended = batchEvents(batch, progress({ succeeded: 10 }, { endedAt: submittedAt + 9 }), []);
  const events: OmxEvent[] = [...ended, jobEnd(submittedAt + 9.6), jobEnd(submittedAt + 9.2)];
  events.sort(compareEvents);
  expect(events.map(({ at, type }) => `${type} ${(at - submittedAt).toFixed(1)}`)).toEqual([
    'batch-submitted 0.0',
    'job-ended 9.2',
    'job-ended 9.6',
    'batch-ended 9.0',
  ]);
});

test('jobs cancelled with their whole batch ended when that was noted, and never after the batch', () => {
  const cancelled = [note(3, 'held'), note(5, 'cancelled by a user'), note(7, 'something')];
  expect(cancelTime(batch, progress({}), cancelled)).toBe(submittedAt + 5);
  expect(cancelTime(batch, progress({}, { endedAt: submittedAt + 4 }), cancelled)).toBe(submittedAt + 4);
  expect(cancelTime(batch, progress({}, { endedAt: submittedAt + 4 }), [])).toBe(submittedAt + 4);
});
