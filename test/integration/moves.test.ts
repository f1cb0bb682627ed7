import { batchKeys, connect, ImageStore, isMoved, isNotMoved, type MoveEntry, MoveLog, type Redis } from '@omx/queue';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { useRedis } from '../kit/redis.ts';

const server = useRedis();
let redis: Redis;

beforeEach(async () => {
  redis = await connect({ socket: server.socket });
});
afterEach(() => redis.disconnect());

function moved(ordinal: number, at: number): MoveEntry {
  return { ordinal, attempt: 1, at, from: 'n1', to: 'n2', why: 'omx migrate', pauseMs: 120, bytes: 5_200_000 };
}

test('the log of moves keeps order, jobs apart, and a place to go on from', async () => {
  const log = new MoveLog(redis);
  const stays: MoveEntry = { ordinal: 0, attempt: 1, at: 2, from: 'n2', to: 'n1', why: 'drain', failed: 'n1 is full' };
  expect(await log.read('b1')).toEqual({ entries: [], next: '0' });
  await log.append('b1', moved(0, 1));
  await log.append('b1', moved(1, 1));
  const { next } = await log.read('b1');
  await log.append('b1', stays);
  expect(await log.read('b1', next)).toMatchObject({ entries: [stays] });
  const { next: last } = await log.read('b1', next);
  expect(await log.read('b1', last)).toEqual({ entries: [], next: last });
  expect(await log.ofJob('b1', 0)).toEqual([moved(0, 1), stays]);
  expect((await log.all('b1')).map((entry) => [isMoved(entry), isNotMoved(entry)])).toEqual([
    [true, false],
    [true, false],
    [false, true],
  ]);
  expect(await log.all('b2')).toEqual([]);
});

test('the log of moves is bounded', async () => {
  const log = new MoveLog(redis);
  const pipeline = redis.pipeline();
  for (let at = 0; at < 6000; at += 1) pipeline.xadd(batchKeys('b1').moves, '*', 'entry', JSON.stringify(moved(0, at)));
  await pipeline.exec();
  await log.append('b1', moved(0, 6000));
  const entries = await log.all('b1');
  expect(entries.length).toBeGreaterThanOrEqual(5000);
  expect(entries.length).toBeLessThan(5500);
  expect(entries.at(-1)).toEqual(moved(0, 6000));
});

test('who follows a batch hears of a move', async () => {
  const subscriber = await connect({ socket: server.socket });
  try {
    const heard = new Promise((resolve) => {
      subscriber.on('message', resolve);
    });
    await subscriber.subscribe(batchKeys('b1').changes);
    await new MoveLog(redis).append('b1', moved(0, 1));
    expect(await heard).toBe(batchKeys('b1').changes);
  } finally {
    subscriber.disconnect();
  }
});

test('of each job the newest image is kept, until it is removed', async () => {
  const images = new ImageStore(redis);
  const image = { node: 'n2', attempt: 1, digest: 'aa', bytes: 10, at: 1 };
  expect(await images.get('b1', 3)).toBeUndefined();
  await images.put('b1', 3, image);
  await images.put('b1', 3, { ...image, node: 'n3', at: 2 });
  await images.put('b1', 11, image);
  expect(await images.get('b1', 3)).toEqual({ ...image, node: 'n3', at: 2 });
  expect(await images.all({ id: 'b1' })).toEqual(
    new Map([
      [3, { ...image, node: 'n3', at: 2 }],
      [11, image],
    ]),
  );
  await images.remove('b1', 3, image);
  expect(await images.get('b1', 3)).toMatchObject({ node: 'n3' });
  await images.remove('b1', 3, { ...image, node: 'n3', at: 2 });
  await images.remove('b1', 4, image);
  expect(await images.get('b1', 3)).toBeUndefined();
  expect(await images.all({ id: 'b1' })).toEqual(new Map([[11, image]]));
  expect(await images.all({ id: 'b2' })).toEqual(new Map());
});
