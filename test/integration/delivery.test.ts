import { eachOf } from '@omx/core';
import { BatchStore, batchKeys, chunkOrder, connect, globalKeys, type Redis } from '@omx/queue';
import { Delivery } from '@omx/queue/delivery';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { useRedis } from '../kit/redis.ts';
import { arraySpec } from '../kit/spec.ts';
import { until } from '../kit/until.ts';

const server = useRedis();
let redis: Redis;
let batches: BatchStore;
let open: Delivery[];

beforeEach(async () => {
  redis = await connect({ socket: server.socket });
  batches = new BatchStore(redis);
  open = [];
});
afterEach(async () => {
  for (const delivery of open) await delivery.close();
  redis.disconnect();
});

function deliveryOf(): Delivery {
  const delivery = new Delivery(redis, { socket: server.socket }, () => {});
  open.push(delivery);
  return delivery;
}

async function submit(total: number, priority = 0) {
  const spec = arraySpec(total, { priority });
  return (await batches.submit({ spec, total, order: [{ first: 0, last: total - 1 }], untouched: 'queued' })).id;
}

async function takeAll(delivery: Delivery): Promise<string[]> {
  const taken: string[] = [];
  for (let chunk = await delivery.take('any'); chunk !== undefined; chunk = await delivery.take('any')) {
    for (const ordinal of eachOf(chunk.spans)) taken.push(`${chunk.batch}.${ordinal}`);
    await chunk.done();
  }
  return taken;
}

test('every job of a batch is delivered once, in order, and nothing stays behind', async () => {
  const id = await submit(1000);
  const delivery = deliveryOf();
  await delivery.dispatch(id, () => 'any', 0);
  expect(await takeAll(delivery)).toEqual(Array.from({ length: 1000 }, (_, at) => `${id}.${at}`));
  expect(await redis.llen(batchKeys(id).outbox)).toBe(0);
  expect(await redis.zscore(globalKeys.pending, id)).toBeNull();
});

test('several dispatchers at once deliver no job less, and takers share them', async () => {
  const id = await submit(5000);
  const deliveries = [deliveryOf(), deliveryOf(), deliveryOf()];
  await Promise.all(deliveries.map(async (delivery) => delivery.dispatch(id, () => 'any', 0)));
  const taken = (await Promise.all(deliveries.map(takeAll))).flat();
  expect(new Set(taken).size).toBe(5000);
});

test('higher priority first, and the rest of a chunk before the chunks behind it', async () => {
  const low = await submit(2, -1);
  const high = await submit(2, 5);
  const delivery = deliveryOf();
  await delivery.dispatch(low, () => 'any', -1);
  await delivery.dispatch(high, () => 'any', 5);
  await batches.offer(high, [{ spans: [{ first: 9, last: 9 }], at: -1 }]);
  await delivery.dispatch(high, () => 'any', 5);
  expect(await takeAll(delivery)).toEqual([`${high}.9`, `${high}.0`, `${high}.1`, `${low}.0`, `${low}.1`]);
});

test('a chunk for later is not to be had before', async () => {
  const id = await submit(1);
  const delivery = deliveryOf();
  await delivery.dispatch(id, () => 'any', 0);
  await takeAll(delivery);
  const at = Date.now() + 300;
  await batches.offer(id, [{ spans: [{ first: 0, last: 0 }], at }]);
  await delivery.dispatch(id, () => 'any', 0);
  expect(await delivery.take('any')).toBeUndefined();
  await until(async () => delivery.take('any'));
  expect(Date.now()).toBeGreaterThanOrEqual(at);
});

test('chunks of a dispatcher that died before it acknowledged are delivered again', async () => {
  const id = await submit(3);
  const entries = await redis.lrange(batchKeys(id).outbox, 0, -1);
  const first = deliveryOf();
  await first.dispatch(id, () => 'any', 0);
  expect(await takeAll(first)).toHaveLength(3);
  // As a crash leaves it: handed out, and still in the outbox.
  await redis.rpush(batchKeys(id).outbox, ...entries);
  const second = deliveryOf();
  await second.dispatch(id, () => 'any', 0);
  expect(await takeAll(second)).toHaveLength(3);
});

test('small batches go one by one, large ones in at most 500 a chunk', () => {
  const sizes = (total: number) =>
    chunkOrder([{ first: 0, last: total - 1 }], total).map((spans) => [...eachOf(spans)].length);
  expect(Math.max(...sizes(64))).toBe(1);
  expect(sizes(1000).length).toBeLessThanOrEqual(64);
  expect(Math.max(...sizes(1_000_000))).toBe(500);
});
