import { BalancerSeat, connect, globalKeys, type Redis } from '@omx/queue';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { useRedis } from '../kit/redis.ts';
import { until } from '../kit/until.ts';

const server = useRedis();
let redis: Redis;
beforeEach(async () => {
  redis = await connect({ socket: server.socket });
});
afterEach(() => redis.disconnect());

test('one node has it, keeps it as long as it says so, and lets others have it', async () => {
  const [one, other] = [new BalancerSeat(redis, 'n1'), new BalancerSeat(redis, 'n2')];
  expect([await one.take(10_000), await other.take(10_000), await one.take(20_000)]).toEqual([true, false, true]);
  expect(await redis.pttl(globalKeys.balancer)).toBeGreaterThan(10_000);
  await other.leave();
  expect(await other.take(10_000)).toBe(false);
  await one.leave();
  expect(await other.take(10_000)).toBe(true);
});

test('that of a node that is gone is soon free', async () => {
  const other = new BalancerSeat(redis, 'n2');
  await new BalancerSeat(redis, 'n1').take(300);
  expect(await other.take(10_000)).toBe(false);
  await until(async () => other.take(10_000));
});
