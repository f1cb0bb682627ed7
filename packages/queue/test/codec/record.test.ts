import { applyEvent, freshJob, type Job, type JobEvent, noOutput, type Outcome } from '@omx/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';

import { decodeJob, encodeJob, recordBytes } from '../../src/codec/record.ts';

const context = { submittedAt: 1_700_000_000_000, untouched: 'queued' } as const;
const outcomes: Outcome[] = [
  { kind: 'succeeded' },
  { kind: 'exited', code: 255 },
  { kind: 'signalled', signal: 64 },
  { kind: 'timed-out' },
  { kind: 'oom' },
  { kind: 'cancelled', by: 'policy' },
  { kind: 'not-started', reason: 'no-interpreter' },
  { kind: 'lost' },
];
const day = 86_400_000;
const usage = fc.record({
  userUs: fc.nat({ max: 2 ** 31 - 1 }),
  sysUs: fc.nat({ max: 2 ** 31 - 1 }),
  maxRssKib: fc.nat(),
});
const bytes = fc.integer({ min: 0, max: 2 ** 40 - 1 });

const ended = fc
  .record({
    outcome: fc.constantFrom(...outcomes),
    usage,
    out: bytes,
    err: bytes,
    place: fc.constantFrom('none', 'queue', 'node'),
    ms: fc.nat({ max: 400 * day }),
    startedAt: fc.nat({ max: 400 * day }),
  })
  .map(({ outcome, usage: used, out, err, place, ms, startedAt }): Job => ({
    attempt: 7,
    retries: 3,
    crashes: 2,
    moves: 9,
    wish: 'none',
    queuedAt: context.submittedAt + 5,
    status: 'ended',
    outcome,
    node: 65_535,
    startedAt: context.submittedAt + startedAt,
    launcher: 'mosrun',
    endedAt: context.submittedAt + startedAt + ms,
    usage: used,
    output: { place: place, outBytes: out, errBytes: err, truncated: true },
  }));

test('a job survives its record', () => {
  fc.assert(
    fc.property(ended, (job) => {
      const record = encodeJob(job, context);
      expect(record).toHaveLength(recordBytes);
      expect(decodeJob(record, context).job).toEqual(job);
    }),
  );
});

test('no figure of a job keeps its end from being written', () => {
  const figure = fc.oneof(fc.double(), fc.constantFrom(-1, -0.5, 2 ** 48, 1e300, Infinity, NaN));
  fc.assert(
    fc.property(ended, fc.tuple(figure, figure, figure, figure, figure), (job, [userUs, sysUs, maxRssKib, out, at]) => {
      if (job.status !== 'ended') return;
      const odd = {
        ...job,
        endedAt: at,
        usage: { userUs, sysUs, maxRssKib },
        output: { ...job.output, outBytes: out },
      };
      const read = decodeJob(encodeJob(odd, context), context).job;
      expect(read).toMatchObject({ status: 'ended', outcome: job.outcome });
      if (read.status === 'ended') expect(read.usage.userUs).toBeGreaterThanOrEqual(0);
    }),
  );
});

test('every state on the way survives its record', () => {
  const events: JobEvent[] = [
    { type: 'hold' },
    { type: 'release' },
    { type: 'lease', node: 3 },
    { type: 'wish', wish: 'pause' },
    { type: 'start', attempt: 1, at: context.submittedAt + 10, launcher: 'criu' },
    { type: 'pause' },
    { type: 'resume' },
    { type: 'wish', wish: 'freeze' },
    { type: 'freeze', attempt: 1 },
    { type: 'wish', wish: 'none' },
    { type: 'thaw', attempt: 1 },
    { type: 'freeze', attempt: 1 },
    { type: 'move', attempt: 1, node: 65_535 },
    {
      type: 'end',
      attempt: 1,
      at: context.submittedAt + 20,
      outcome: { kind: 'exited', code: 1 },
      usage: { userUs: 1, sysUs: 2, maxRssKib: 3 },
      output: noOutput,
    },
    { type: 'retry', at: context.submittedAt + 30 },
  ];
  let job = freshJob('queued', context.submittedAt);
  for (const event of events) {
    job = applyEvent(job, event) as Job;
    expect(decodeJob(encodeJob(job, context), context).job).toEqual(job);
  }
});

test.each(['queued', 'held'] as const)('zeros are a job nobody has touched: %s', (untouched) => {
  expect(decodeJob(Buffer.alloc(recordBytes), { ...context, untouched }).job).toEqual(
    freshJob(untouched, context.submittedAt),
  );
});

test('untouched jobs of a cancelled batch are cancelled', () => {
  expect(decodeJob(Buffer.alloc(recordBytes), { ...context, untouched: 'cancelled' }).job).toMatchObject({
    status: 'ended',
    outcome: { kind: 'cancelled' },
  });
});
