import { type Batch, eachOf } from '@omx/core';
import { BatchStore, batchKeys, connect, globalKeys, JobStore, type Redis } from '@omx/queue';
import { Delivery } from '@omx/queue/delivery';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { type Attempt, Attempts } from '../../workers/node/src/attempt.ts';
import { BatchCache } from '../../workers/node/src/batch-cache.ts';
import { NodeLaunchers } from '../../workers/node/src/node-launchers.ts';
import { ClaimRoom } from '../../workers/node/src/capacity.ts';
import { Dependencies } from '../../workers/node/src/dependencies.ts';
import { FollowUps } from '../../workers/node/src/follow-ups.ts';
import { claim } from '../../workers/node/src/intake.ts';
import { useRedis } from '../kit/redis.ts';
import { arraySpec } from '../kit/spec.ts';

const server = useRedis();
let redis: Redis;
let batches: BatchStore;
let jobs: JobStore;
let cache: BatchCache;
let delivery: Delivery;

beforeEach(async () => {
  redis = await connect({ socket: server.socket });
  batches = new BatchStore(redis);
  jobs = new JobStore(batches);
  cache = new BatchCache(batches, 'vega', await NodeLaunchers.detect(['plain']));
  delivery = new Delivery(redis, { socket: server.socket }, () => {});
});
afterEach(async () => {
  await delivery.close();
  redis.disconnect();
});

async function submit(total: number): Promise<Batch> {
  const spec = arraySpec(total, { env: await batches.keepEnvironment([]) });
  const order = [{ first: 0, last: total - 1 }];
  return batches.load((await batches.submit({ spec, total, order, untouched: 'queued' })).id);
}

test('chunks are handed out also where their writer died before it could say that there are any', async () => {
  const batch = await submit(3);
  await redis.zrem(globalKeys.pending, batch.id);
  const dependencies = new Dependencies(batches, jobs);
  const log = pino({ level: 'silent' });
  await new FollowUps({ batches, jobs, cache, delivery, dependencies, log }).sweep();
  expect(await redis.llen(batchKeys(batch.id).outbox)).toBe(0);
  expect([...eachOf((await delivery.take('any'))?.spans ?? [])]).toEqual([0]);
});

test('jobs that are claimed are looked after also where the queue then fails', async () => {
  const batch = await submit(3);
  const accepted: Attempt[] = [];
  const chunk = {
    batch: batch.id,
    spans: [{ first: 0, last: 2 }],
    done: async () => Promise.reject(new Error('the queue is full')),
  };
  const room = new ClaimRoom({ slots: 2, maxSlots: 2, memBytes: Infinity }, 0, { slots: 0, memBytes: 0 });
  const stores = { batches, jobs, cache, attempts: new Attempts() };
  const claiming = claim(
    chunk,
    () => room,
    stores,
    (claimed) => accepted.push(...claimed),
  );
  await expect(claiming).rejects.toThrow('the queue is full');
  expect(accepted.map(({ ordinal }) => ordinal)).toEqual([0, 1]);
});
