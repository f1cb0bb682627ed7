import {
  applyEvent,
  type Batch,
  type BatchSpec,
  bytesOf,
  isIllegal,
  type Job,
  type JobEvent,
  noOutput,
} from '@omx/core';
import { BatchStore, batchKeys, connect, type JobChange, JobStore, OutputStore, type Redis } from '@omx/queue';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { useRedis } from '../kit/redis.ts';
import { arraySpec } from '../kit/spec.ts';

const server = useRedis();
let redis: Redis;
let batches: BatchStore;
let jobs: JobStore;

beforeEach(async () => {
  redis = await connect({ socket: server.socket });
  batches = new BatchStore(redis);
  jobs = new JobStore(batches);
});
afterEach(() => redis.disconnect());

async function submit(
  total: number,
  more: Partial<BatchSpec> = {},
  untouched: 'queued' | 'held' = 'queued',
): Promise<Batch> {
  const spec = arraySpec(total, more);
  const { id } = await batches.submit({ spec, total, order: [{ first: 0, last: total - 1 }], untouched });
  return batches.load(id);
}

async function change(
  batch: Batch,
  ordinals: readonly number[],
  event: JobEvent,
  extra: Partial<JobChange> = {},
): Promise<JobChange[]> {
  const snapshots = await jobs.read(batch, ordinals);
  return snapshots.map((snapshot) => {
    const next = applyEvent(snapshot.job, event);
    if (isIllegal(next)) throw new Error(next.why);
    return { snapshot, next, ...extra };
  });
}

const end = (attempt: number, code: number): JobEvent => ({
  type: 'end',
  attempt,
  at: Date.now(),
  outcome: code === 0 ? { kind: 'succeeded' } : { kind: 'exited', code },
  usage: { userUs: 1000, sysUs: 500, maxRssKib: 10 },
  output: noOutput,
  started: { at: Date.now() - 5, launcher: 'plain' },
});

async function runAll(batch: Batch, ordinals: readonly number[], code: number): Promise<void> {
  await jobs.write(batch, await change(batch, ordinals, { type: 'lease', node: 1 }));
  await jobs.write(batch, await change(batch, ordinals, end(1, code)));
}

describe('compare-and-set', () => {
  test('a write against an older record is refused and shows the newer one', async () => {
    const batch = await submit(3);
    const [first] = await change(batch, [0], { type: 'lease', node: 1 });
    const [second] = await change(batch, [0], { type: 'lease', node: 2 });
    expect((await jobs.write(batch, [first as JobChange])).conflicts).toEqual([]);
    const { conflicts } = await jobs.write(batch, [second as JobChange]);
    expect(conflicts).toMatchObject([{ ordinal: 0, job: { status: 'leased', node: 1, attempt: 1 } }]);
    expect((await jobs.read(batch, [0]))[0]?.job).toMatchObject({ node: 1 });
  });

  test('an untouched job cannot be leased once its batch was held', async () => {
    const batch = await submit(3);
    const changes = await change(batch, [0, 1], { type: 'lease', node: 1 });
    expect(await batches.changeUntouched(batch, 'held', 'for the test')).toEqual({ changed: 3, finished: false });
    expect((await jobs.write(batch, changes)).conflicts).toHaveLength(2);
    expect(await batches.changeUntouched(batch, 'held', 'seen by nobody else')).toBeUndefined();
  });

  test('fifty writers, one winner each', async () => {
    const batch = await submit(20);
    const ordinals = Array.from({ length: 20 }, (_, at) => at);
    await Promise.all(
      Array.from({ length: 50 }, async (_, node) =>
        jobs.write(batch, await change(batch, ordinals, { type: 'lease', node: node + 1 }).catch(() => [])),
      ),
    );
    const { counts } = await batches.progress(batch);
    expect(counts.queued).toBe(20);
    const leased = (await jobs.read(batch, ordinals)).filter(({ job }) => job.status === 'leased' && job.attempt === 1);
    expect(leased).toHaveLength(20);
  });
});

describe('sums', () => {
  test('follow every change, and the end is set once', async () => {
    const batch = await submit(4);
    await runAll(batch, [0, 1], 0);
    await runAll(batch, [2], 3);
    expect((await batches.progress(batch)).endedAt).toBeUndefined();
    const { finished, failed } = await (async () => {
      await jobs.write(batch, await change(batch, [3], { type: 'lease', node: 1 }));
      return jobs.write(batch, await change(batch, [3], end(1, 0)));
    })();
    expect({ finished, failed }).toEqual({ finished: true, failed: 1 });
    const progress = await batches.progress(batch);
    expect(progress.counts).toMatchObject({ succeeded: 3, failed: 1, queued: 0 });
    expect(progress).toMatchObject({ userUs: 4000, sysUs: 2000 });
    expect(progress.endedAt).toBeGreaterThan(0);
  });

  test('a rerun takes the end back and keeps the attempt before', async () => {
    const batch = await submit(2);
    await runAll(batch, [0, 1], 1);
    const touched = await jobs.apply(
      batch,
      [{ first: 0, last: 1 }],
      (job) => (job.status === 'ended' ? { type: 'rerun', at: Date.now() } : undefined),
      { failedOnly: true, offer: true },
    );
    expect(touched).toEqual([0, 1]);
    const { counts, endedAt } = await batches.progress(batch);
    expect({ queued: counts.queued, endedAt }).toEqual({ queued: 2, endedAt: undefined });
    await jobs.write(batch, await change(batch, [0], { type: 'lease', node: 1 }));
    const [again] = await jobs.read(batch, [0]);
    expect(again?.job.attempt).toBe(2);
    expect(await jobs.history(batch, 0, 2)).toMatchObject([
      { job: { outcome: { kind: 'exited', code: 1 }, attempt: 1 } },
    ]);
  });

  test('a cancelled batch of a million untouched jobs ends in one step and takes no room', async () => {
    const batch = await submit(1_000_000);
    const before = await redis.dbsize();
    expect(await batches.changeUntouched(batch, 'cancelled', 'by the test')).toEqual({
      changed: 1_000_000,
      finished: true,
    });
    expect((await batches.progress(await batches.load(batch.id))).counts.cancelled).toBe(1_000_000);
    expect(await redis.dbsize()).toBe(before);
  });

  test('failures are found by reading the blocks that have one', async () => {
    const batch = await submit(5000);
    await runAll(batch, [10, 20], 0);
    await runAll(batch, [4321], 7);
    const seen: number[] = [];
    for await (const block of jobs.scan(batch, [{ first: 0, last: 4999 }], { failedOnly: true }))
      seen.push(...block.map(({ ordinal }) => ordinal));
    expect(seen[0]).toBe(4000);
    expect(seen).toHaveLength(500);
  });
});

describe('the throttle', () => {
  test('keeps jobs back, and offers them again one by one as others end', async () => {
    const batch = await submit(5, { throttle: 2 });
    const first = await jobs.write(
      batch,
      await change(batch, [0, 1, 2, 3], { type: 'lease', node: 1 }, { throttled: true }),
    );
    expect(first.parked).toEqual([2, 3]);
    const { offered } = await jobs.write(batch, await change(batch, [0], end(1, 0)));
    const outbox = await redis.lrange(batchKeys(batch.id).outbox, -1, -1);
    expect(outbox[0]).toMatch(/\|-1\|2$/);
    expect(offered).toBe(1);
  });
});

describe('submit', () => {
  test('the same key twice is one batch', async () => {
    const one = await submit(3, { key: 'nightly' });
    const { id, existed } = await batches.submit({ spec: one.spec, total: 3, order: [], untouched: 'queued' });
    expect({ id, existed }).toEqual({ id: one.id, existed: true });
  });

  test('twenty at once with one key are one batch', async () => {
    const { spec } = await submit(3);
    const made = await Promise.all(
      Array.from({ length: 20 }, async () =>
        batches.submit({
          spec: { ...spec, key: 'same' },
          total: 1,
          order: [{ first: 0, last: 0 }],
          untouched: 'queued',
        }),
      ),
    );
    expect(new Set(made.map(({ id }) => id)).size).toBe(1);
    expect(made.filter(({ existed }) => !existed)).toHaveLength(1);
  });

  test('a submitter that died between key and batch does not block the key', async () => {
    const { spec } = await submit(1);
    await redis.set('omx:key:lost', 'b999');
    const { existed } = await batches.submit({
      spec: { ...spec, key: 'lost' },
      total: 1,
      order: [{ first: 0, last: 0 }],
      untouched: 'queued',
    });
    expect(existed).toBe(false);
  });

  test('a million jobs are small', async () => {
    const before = Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]);
    await submit(1_000_000);
    const after = Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]);
    expect(after - before).toBeLessThan(5e6);
  });

  test('long lists travel in blocks of items', async () => {
    const { spec } = await submit(1);
    const items = Array.from({ length: 2500 }, (_, at) => [bytesOf(`value ${at}`)]);
    const { id } = await batches.submit({
      spec: { ...spec, jobs: { kind: 'list', count: 2500 } },
      total: 2500,
      items,
      order: [{ first: 0, last: 2499 }],
      untouched: 'queued',
    });
    expect(await batches.item(id, 2400)).toEqual([bytesOf('value 2400')]);
  });
});

test('outputs of a write go into one pack, and records name it', async () => {
  const batch = await submit(3);
  await jobs.write(batch, await change(batch, [0, 1, 2], { type: 'lease', node: 1 }));
  const outputs = [0, 1].map((ordinal) => ({
    ordinal,
    attempt: 1,
    out: Buffer.from(`out ${ordinal}`),
    err: Buffer.alloc(0),
  }));
  const changes = await change(batch, [0, 1, 2], end(1, 0));
  await jobs.write(
    batch,
    changes.map((each) => ({ ...each, hasPackedOutput: each.snapshot.ordinal < 2 })),
    { outputs, rows: [{ ordinal: 0, attempt: 1, rows: [{ n: 1 }] }] },
  );
  const store = new OutputStore(redis);
  const [one, two, three] = await jobs.read(batch, [0, 1, 2]);
  expect([one?.pack, two?.pack, three?.pack]).toEqual([0, 0, undefined]);
  expect((await store.find(batch.id, 0, 1, 1))?.out.toString()).toBe('out 1');
  expect(await store.rows(batch)).toEqual([{ ordinal: 0, attempt: 1, rows: [{ n: 1 }] }]);
});

test('usage of an attempt that is tried again counts, and its end is history', async () => {
  const batch = await submit(1);
  await jobs.write(batch, await change(batch, [0], { type: 'lease', node: 1 }));
  const [ended] = await change(batch, [0], end(1, 1));
  const next = applyEvent((ended as JobChange).next, { type: 'retry', at: Date.now() }) as Job;
  await jobs.write(batch, [{ snapshot: (ended as JobChange).snapshot, next, ended: (ended as JobChange).next }], {
    offers: [{ spans: [{ first: 0, last: 0 }], at: 0 }],
  });
  const progress = await batches.progress(batch);
  expect(progress).toMatchObject({ userUs: 1000, counts: { queued: 1, failed: 0 } });
  expect(await jobs.history(batch, 0, 2)).toHaveLength(1);
});
