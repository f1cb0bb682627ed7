import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { arch } from 'node:process';

import { applyEvent, type Batch, isIllegal, type JobEvent, noOutput, noUsage } from '@omx/core';
import { BatchStore, connect, ImageStore, JobStore, type Receiver, type Redis, type StoredImage } from '@omx/queue';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { BatchCache } from '../../workers/node/src/batch-cache.ts';
import { ImageKeeper } from '../../workers/node/src/moving/image-keeper.ts';
import { useRedis } from '../kit/redis.ts';
import { arraySpec } from '../kit/spec.ts';

const server = useRedis();
let redis: Redis;
let jobs: JobStore;
let images: ImageStore;
let keeper: ImageKeeper;
let batch: Batch;
let nodeDir: string;
let sent: { readonly image: string; readonly to: Receiver }[];
/** Called while an image is sent. */
let whileSending: () => Promise<void>;

beforeEach(async () => {
  redis = await connect({ socket: server.socket });
  const batches = new BatchStore(redis);
  jobs = new JobStore(batches);
  images = new ImageStore(redis);
  nodeDir = mkdtempSync(join(tmpdir(), 'omx-keeper-'));
  sent = [];
  whileSending = async () => {};
  keeper = new ImageKeeper({
    ...{ nodeDir, node: 'vega', jobs, images, log: pino({ level: 'silent' }) },
    cache: new BatchCache(batches, 'vega', { choose: () => Promise.reject(new Error('nothing is started here')) }),
    send: async (image, to) => {
      sent.push({ image, to });
      await whileSending();
    },
  });
  const spec = arraySpec(2, { env: await batches.keepEnvironment([]) });
  const order = [{ first: 0, last: 1 }];
  batch = await batches.load((await batches.submit({ spec, total: 2, order, untouched: 'queued' })).id);
  await change({ type: 'lease', node: await batches.nodeNumber(batch.id, 'altair') });
});
afterEach(() => {
  redis.disconnect();
  rmSync(nodeDir, { recursive: true, force: true });
});

async function change(event: JobEvent): Promise<void> {
  const [snapshot] = await jobs.read(batch, [0]);
  if (snapshot === undefined) throw new Error('no such job');
  const next = applyEvent(snapshot.job, event);
  if (isIllegal(next)) throw new Error(next.why);
  await jobs.write(batch, [{ snapshot, next }]);
}

async function end(): Promise<void> {
  await change({
    type: 'end',
    attempt: 1,
    at: Date.now(),
    outcome: { kind: 'succeeded' },
    usage: noUsage,
    output: noOutput,
  });
}

/** What the transport leaves: an image of the first job with one file. */
function arrive(content: string): string {
  const image = join(nodeDir, 'arriving', `${batch.id}.1#1.keep`, 'image');
  mkdirSync(join(image, 'criu'), { recursive: true });
  writeFileSync(join(image, 'criu', 'pages'), content);
  const sha256 = createHash('sha256').update(content).digest('hex');
  const files = [{ path: 'criu/pages', size: content.length, sha256 }];
  const manifest = JSON.stringify({ format: 1, arch, files });
  writeFileSync(join(image, 'manifest.json'), manifest);
  return createHash('sha256').update(manifest).digest('hex');
}

const name = () => ({ batch: batch.id, ordinal: 0, attempt: 1 });

async function keep(content: string): Promise<StoredImage> {
  const digest = arrive(content);
  expect(await keeper.keep({ type: 'keep', ...name(), digest })).toEqual({ done: true });
  return { node: 'vega', attempt: 1, digest, bytes: content.length, at: 1 };
}

/** Makes it look as if it had come an hour ago. */
function age(image: StoredImage): void {
  const path = keeper.find(name(), image.digest) ?? '';
  utimesSync(path, 0, 0);
}

const has = (image: StoredImage): boolean => keeper.find(name(), image.digest) !== undefined;

test('what has come whole is kept under its digest, and can be fetched', async () => {
  const image = await keep('memory');
  expect(existsSync(join(nodeDir, 'arriving', `${batch.id}.1#1.keep`))).toBe(false);
  const to = { host: 'h', port: 1, token: 't' };
  const fetch = { type: 'fetch' as const, ...name(), digest: image.digest, to };
  expect(await keeper.fetch(fetch)).toEqual({ done: true });
  expect(sent).toEqual([{ image: keeper.find(name(), image.digest), to }]);
  expect(await keeper.fetch({ ...fetch, digest: 'f'.repeat(64) })).toMatchObject({
    refused: expect.stringMatching(/does not have/),
  });
});

test('what was changed or cut on its way is refused and thrown away', async () => {
  const pages = join(nodeDir, 'arriving', `${batch.id}.1#1.keep`, 'image', 'criu', 'pages');
  for (const [content, reason] of [
    ['memorY', /pages was changed/],
    ['mem', /has 3 bytes instead of 6/],
  ] as const) {
    const digest = arrive('memory');
    writeFileSync(pages, content);
    expect(await keeper.keep({ type: 'keep', ...name(), digest })).toMatchObject({
      refused: expect.stringMatching(reason),
    });
    expect(existsSync(pages)).toBe(false);
  }
  arrive('memory');
  expect(await keeper.keep({ type: 'keep', ...name(), digest: 'f'.repeat(64) })).toMatchObject({
    refused: expect.stringMatching(/manifest was changed/),
  });
});

test('an image is refused that would leave less than a tenth of the disk', () => {
  expect(keeper.refusal(0)).toBeUndefined();
  expect(keeper.refusal(1e18)).toMatchObject({ refused: expect.stringMatching(/less than a tenth/) });
});

test('a drop leaves what is registered, and what is being sent', async () => {
  const older = await keep('older');
  const newer = await keep('newer');
  await images.put(batch.id, 0, newer);
  whileSending = async () => {
    await keeper.drop({ type: 'drop', ...name() });
    expect([has(older), has(newer)]).toEqual([true, true]);
  };
  await keeper.fetch({ type: 'fetch', ...name(), digest: older.digest, to: { host: 'h', port: 1, token: 't' } });
  expect(sent).toHaveLength(1);
  await keeper.drop({ type: 'drop', ...name() });
  expect([has(older), has(newer)]).toEqual([false, true]);
  await images.remove(batch.id, 0, newer);
  await keeper.drop({ type: 'drop', ...name(), attempt: 0 });
  expect(has(newer)).toBe(true);
  await keeper.drop({ type: 'drop', ...name() });
  expect(existsSync(join(nodeDir, 'images', batch.id))).toBe(false);
});

test('a sweep leaves what is registered or new, and nothing else', async () => {
  const stale = await keep('stale');
  const registered = await keep('registered');
  const fresh = await keep('fresh');
  await images.put(batch.id, 0, registered);
  age(stale);
  age(registered);
  await keeper.sweep();
  expect([stale, registered, fresh].map(has)).toEqual([false, true, true]);
});

test('a sweep ends what is kept of a job that has ended, whoever should have', async () => {
  const image = await keep('memory');
  await images.put(batch.id, 0, image);
  await end();
  await keeper.sweep();
  expect(has(image)).toBe(false);
  expect(await images.get(batch.id, 0)).toBeUndefined();
});

test('a sweep takes what is not here any more out of the registry, unless another node has it', async () => {
  const image = await keep('memory');
  await images.put(batch.id, 0, { ...image, digest: 'f'.repeat(64) });
  await keeper.sweep();
  expect(await images.get(batch.id, 0)).toBeUndefined();
  await images.put(batch.id, 0, { ...image, node: 'deneb' });
  age(image);
  await keeper.sweep();
  expect(has(image)).toBe(false);
  expect(await images.get(batch.id, 0)).toMatchObject({ node: 'deneb' });
});

test('a sweep removes images of a batch that is gone', async () => {
  const image = await keep('memory');
  age(image);
  await redis.flushall();
  const another = new ImageKeeper({
    ...{ nodeDir, node: 'vega', jobs, images, log: pino({ level: 'silent' }), send: async () => {} },
    cache: new BatchCache(new BatchStore(redis), 'vega', { choose: () => Promise.reject(new Error('unused')) }),
  });
  await another.sweep();
  expect(has(image)).toBe(false);
});

test('an entry that was replaced meanwhile is not removed from the registry', async () => {
  const image = await keep('older');
  await images.put(batch.id, 0, { ...image, at: 2 });
  await images.remove(batch.id, 0, image);
  expect(await images.get(batch.id, 0)).toMatchObject({ at: 2 });
});
