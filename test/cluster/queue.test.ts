import { expect, test } from 'vitest';

import { jobsOf, waitFor } from '../kit/batches.ts';
import { useCluster } from '../kit/cluster/use-cluster.ts';
import { skipUnless } from '../kit/needs.ts';
import { until } from '../kit/until.ts';
import { submitTicking, type Ticking } from './ticking.ts';

const cluster = useCluster({ nodes: 3 });
const here = skipUnless('netns');

async function eachRanOnce({ id, histories }: Ticking, jobs: number): Promise<void> {
  expect(await waitFor(cluster, id)).toBe(0);
  expect((await jobsOf(cluster, id)).map(({ outcome, attempt }) => `${outcome} ${attempt}`)).toEqual(
    Array(jobs).fill('succeeded 1'),
  );
  expect(histories()).toEqual(Array(jobs).fill('attempt 1 ended'));
}

test(
  'the server is killed and started again in the middle: everything goes on, and no job runs twice',
  here,
  async () => {
    await cluster.start(['--slots', '2']);
    const ticking = await submitTicking(cluster, { jobs: 24, seconds: 1 });
    await ticking.hasBegun(8);
    await cluster.redis.kill();
    await cluster.redis.restart();
    await eachRanOnce(ticking, 24);
  },
);

test(
  'the server is gone for longer than a lease: running jobs go on, and their ends are reported later',
  here,
  async () => {
    await cluster.start(['--slots', '2']);
    const ticking = await submitTicking(cluster, { jobs: 8, seconds: 10 });
    await ticking.hasBegun(6);
    const awayAt = Date.now();
    await cluster.redis.kill();
    // Six of them end without anybody to tell, and the other two wait.
    await until(() => ticking.begun().filter(({ ended }) => ended).length === 6, { timeoutMs: 25_000 });
    await until(() => Date.now() - awayAt > 20_000, { timeoutMs: 30_000 });
    // They went on all the time: nobody stopped them while the queue was away.
    for (const { first, last } of ticking.begun()) expect(last - first).toBeLessThan(14_000);
    expect(ticking.begun()).toHaveLength(6);
    await cluster.redis.restart();
    await eachRanOnce(ticking, 8);
  },
);

test('the server stands still for longer than a lease: no job is lost, none runs twice', here, async () => {
  await cluster.start(['--slots', '2']);
  const ticking = await submitTicking(cluster, { jobs: 8, seconds: 10 });
  await ticking.hasBegun(6);
  const from = Date.now();
  cluster.redis.stop();
  await until(() => Date.now() - from > 16_000, { timeoutMs: 30_000 });
  cluster.redis.cont();
  expect(await waitFor(cluster, ticking.id)).toBe(0);
  expect((await jobsOf(cluster, ticking.id)).map(({ outcome }) => outcome)).toEqual(Array(8).fill('succeeded'));
  expect(ticking.twice()).toEqual([]);
  await until(() => ticking.living(), { is: (left) => left.length === 0 });
});
