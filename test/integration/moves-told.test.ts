import type { Batch } from '@omx/core';
import { MoveLog } from '@omx/queue';
import { describe, expect, test } from 'vitest';

import { BatchFeed, wholeBatch } from '../../packages/cli/src/events/batch-feed.ts';
import { sessionAt } from '../../packages/cli/src/session.ts';
import { recordingIo } from '../../packages/cli/test/output/kit.ts';
import { ends, useRecordedJobs } from './recorded-jobs.ts';

const recorded = useRecordedJobs();
const { submit, happens, runs, omx } = recorded;

describe('omx pause --freeze and omx resume', () => {
  const wishOf = async (batch: Batch): Promise<(string | undefined)[]> =>
    (await recorded.jobs.read(batch, [0, 1, 2])).map(({ job }) => job.wish);

  test('set and take back the wish, of jobs that criu started', async () => {
    const batch = await submit(3);
    await runs(batch, 0, 'n1');
    await runs(batch, 1, 'n1', 'plain');
    const { code, stdout } = await omx('pause', '--freeze', batch.id);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^b\d+: 1 job is being frozen; .*\nb\d+: 1 job cannot be frozen, .*--launcher criu/);
    expect(await wishOf(batch)).toEqual(['freeze', 'none', 'none']);
    expect(await omx('pause', '--freeze', `${batch.id}.1`)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^nothing to freeze/) as string,
    });
    expect(await omx('pause', `${batch.id}.1`)).toMatchObject({
      stdout: expect.stringMatching(/^nothing to pause/) as string,
    });
    await happens(batch, 0, { type: 'freeze', attempt: 1 });
    expect((await omx('jobs', batch.id)).stdout).toMatch(/\.1 +frozen/);
    expect(JSON.parse((await omx('resume', batch.id, '--json')).stdout)).toEqual({ resumed: 1 });
    expect(await wishOf(batch)).toEqual(['none', 'none', 'none']);
  });

  test('a paused job can be frozen too, and one on its way to another node be paused', async () => {
    const batch = await submit(3);
    await runs(batch, 0, 'n1');
    await omx('pause', `${batch.id}.1`);
    await happens(batch, 0, { type: 'pause' });
    expect(JSON.parse((await omx('pause', '--freeze', batch.id, '--json')).stdout)).toEqual({ frozen: 1 });
    await runs(batch, 1, 'n1');
    await happens(batch, 1, { type: 'freeze', attempt: 1 });
    expect(JSON.parse((await omx('pause', `${batch.id}.2`, '--json')).stdout)).toEqual({ paused: 1 });
    expect(await wishOf(batch)).toEqual(['freeze', 'pause', 'none']);
  });
});

test('moves are seen by omx jobs, omx why and omx events', async () => {
  const batch = await submit(2);
  await runs(batch, 0, 'n1');
  await happens(batch, 0, { type: 'freeze', attempt: 1 });
  await happens(batch, 0, { type: 'move', attempt: 1, node: await recorded.batches.nodeNumber(batch.id, 'n2') });
  const log = new MoveLog(recorded.redis);
  const at = Date.now();
  const entry = { ordinal: 0, attempt: 1, at: at + 5 };
  await log.append(batch.id, { ...entry, from: 'n1', to: 'n2', why: 'n1 is crowded', pauseMs: 123, bytes: 5_240_000 });
  await log.append(batch.id, { ...entry, at: at + 9, from: 'n2', to: 'n1', why: 'drain', failed: 'n1 is full' });
  const id = `${batch.id}.1`;
  expect(JSON.parse((await omx('jobs', id, '--json')).stdout)).toMatchObject({ node: 'n2', migrations: 1 });
  expect((await omx('jobs', batch.id)).stdout).toMatch(/node +moves[^]*\.1 +running +n2 +1/);
  expect((await omx('why', id)).stdout).toMatch(
    /it has moved 1 time\n[^]*moved from n1 to n2 \(n1 is crowded\): stood still for 0.12 s, 5.2 MB\n.*stayed on n2, not moved to n1 \(drain\): n1 is full/,
  );
  const events = (await omx('events', id)).stdout.trim().split('\n');
  expect(events.map((line) => JSON.parse(line))).toMatchObject([
    { type: 'job-started', id, node: 'n1' },
    { type: 'job-moved', id, from: 'n1', to: 'n2', why: 'n1 is crowded', pause: 0.123 },
    { type: 'job-not-moved', id, from: 'n2', to: 'n1', reason: 'n1 is full' },
  ]);
  expect((await omx('events', `${batch.id}.2`)).stdout).toBe('');
});

test('of a job that moves and ends between two readings, the move is told with the end', async () => {
  const batch = await submit(1);
  await runs(batch, 0, 'n1');
  const session = await sessionAt(recordingIo().io, { socket: recorded.socket }, undefined);
  try {
    const feed = new BatchFeed(session, wholeBatch(batch));
    const types: string[] = [];
    for await (const events of feed.look()) {
      // The first are those of the batch: the log of moves has been read by then, the jobs have not.
      if (types.length === 0) {
        const entry = { ordinal: 0, attempt: 1, at: Date.now(), from: 'n1', to: 'n2', why: 'drain' };
        await new MoveLog(recorded.redis).append(batch.id, { ...entry, pauseMs: 1, bytes: 1 });
        await happens(batch, 0, ends);
      }
      types.push(...events.map(({ type }) => type));
    }
    expect(types).toEqual(['batch-submitted', 'batch-started', 'job-started', 'job-ended', 'job-moved']);
  } finally {
    session.close();
  }
});
