import { type Bytes, bytesOf, freshJob } from '@omx/core';
import { describe, expect, test } from 'vitest';

import { jobView } from '../src/job-view.ts';
import { batchOf, endedJob, submittedAt } from './watching-kit.ts';

const names = new Map([[1, 'n1']]);
const argv = ['work', '7'].map(bytesOf);
const now = submittedAt + 5500;
const view = (job: Parameters<typeof jobView>[1]['job'], words = argv) =>
  jobView(batchOf(), { job, ordinal: 2 }, names, words, now);

test('the fields of the contract, in their order', () => {
  expect(Object.keys(view(freshJob('queued', submittedAt)))).toEqual(
    'id index state outcome exitCode signal attempt node launcher queuedAt startedAt endedAt real user sys maxRss migrations argv'.split(
      ' ',
    ),
  );
});

test('an ended job', () => {
  const usage = { userUs: 1_500_000, sysUs: 20, maxRssKib: 2048 };
  expect(view(endedJob({ kind: 'exited', code: 3 }, { usage }))).toEqual({
    id: 'b7.7',
    index: 7,
    state: 'failed',
    outcome: 'exited',
    exitCode: 3,
    signal: null,
    attempt: 1,
    node: 'n1',
    launcher: 'plain',
    queuedAt: '2026-01-02T03:04:05.000Z',
    startedAt: '2026-01-02T03:04:06.000Z',
    endedAt: '2026-01-02T03:04:08.000Z',
    real: 2,
    user: 1.5,
    sys: 0.00002,
    maxRss: 2_097_152,
    migrations: 0,
    argv: ['work', '7'],
  });
});

describe('what is not known is null', () => {
  test('of a job nobody has touched', () => {
    expect(view(freshJob('held', submittedAt))).toMatchObject({
      state: 'held',
      outcome: null,
      exitCode: null,
      node: null,
      startedAt: null,
      real: null,
      user: null,
      maxRss: null,
    });
  });

  test('of a job lost with its node there is no account', () => {
    expect(view(endedJob({ kind: 'lost' }))).toMatchObject({
      state: 'lost',
      real: 2,
      user: null,
      sys: null,
      maxRss: null,
    });
  });

  test('a signal has a name and no exit code', () => {
    expect(view(endedJob({ kind: 'signalled', signal: 9 }))).toMatchObject({ signal: 'SIGKILL', exitCode: null });
  });
});

test('a running job’s real time is until now', () => {
  const job = {
    ...freshJob('queued', submittedAt),
    attempt: 1,
    status: 'running' as const,
    node: 1,
    startedAt: submittedAt + 1000,
    launcher: 'plain' as const,
  };
  expect(view(job)).toMatchObject({ state: 'running', real: 4.5, user: null, endedAt: null });
});

test('arguments that are no UTF-8 lose nothing', () => {
  expect(view(freshJob('queued', submittedAt), ['\u00ff' as Bytes]).argv).toEqual([{ base64: '/w==' }]);
});
