import { availableParallelism } from 'node:os';
import type { BatchId } from '@omx/core';
import { BatchStore, connect, JobStore } from '@omx/queue';
import { expect, test } from 'vitest';

import {
  countsOf,
  isAlive,
  type JobJson,
  jobsOf,
  killNow,
  shepherdPid,
  submit,
  waitFor,
  workerPid,
} from '../kit/batches.ts';
import { useHome } from '../kit/home.ts';
import { until } from '../kit/until.ts';

const home = useHome();
const count = 10_000;

/** How many jobs were charged with the death of their node. */
async function charged(id: string): Promise<number> {
  const redis = await connect({ socket: `${home.dir}/redis.sock` });
  const batches = new BatchStore(redis);
  const ordinals = Array.from({ length: count }, (_, at) => at);
  const snapshots = await new JobStore(batches).read(await batches.load(id as BatchId), ordinals);
  redis.disconnect();
  return snapshots.filter(({ job }) => job.crashes > 0).length;
}

/** What tells one end of a job from another. */
const endOf = ({ attempt, node, startedAt, endedAt, user, sys }: JobJson): object => ({
  ...{ attempt, node, startedAt, endedAt, user, sys },
});

test('with a worker killed again and again, and its shepherd, each job ends once and has its own output', async () => {
  const id = await submit(home, ['--array', `1-${count}`, '--', '/bin/echo', '{}']);
  const ended = new Map<string, object>();
  for (const who of ['worker', 'shepherd', 'worker', 'worker'] as const) {
    const pidOf = who === 'worker' ? workerPid : shepherdPid;
    await until(async () => (await countsOf(home, id))['succeeded'], {
      is: (now) => Number(now) >= ended.size + 400,
      timeoutMs: 30_000,
    });
    const [{ name } = { name: '' }] = (await home.omx(['nodes', '--json'])).jsonLines<{ name: string }>();
    const killed = pidOf(home, name);
    await killNow(killed);
    for (const job of await jobsOf(home, id, '--state', 'succeeded')) {
      if (ended.has(job.id)) expect(endOf(job)).toEqual(ended.get(job.id));
      ended.set(job.id, endOf(job));
    }
    expect(ended.size).toBeLessThan(count);
    await until(() => pidOf(home, name), {
      is: (pid) => pid !== undefined && pid !== killed && isAlive(pid),
      timeoutMs: 20_000,
    });
  }
  // Jobs of a chunk that a worker had just taken come back up to half a minute later.
  expect(await waitFor(home, id)).toBe(0);
  const { succeeded, ...others } = await countsOf(home, id);
  expect({ succeeded, others: Object.values(others).reduce((sum, each) => sum + each, 0) }).toEqual({
    succeeded: count,
    others: 0,
  });
  const jobs = await jobsOf(home, id);
  const total = (await home.omx(['status', id, '--json'])).json();
  const microseconds = (seconds: (job: JobJson) => number | null): number =>
    jobs.reduce((sum, job) => sum + Math.round(Number(seconds(job)) * 1e6), 0);
  expect(Math.round(total.user * 1e6)).toBe(microseconds(({ user }) => user));
  expect(Math.round(total.sys * 1e6)).toBe(microseconds(({ sys }) => sys));
  expect(
    jobs.filter(({ outcome, real, maxRss }) => outcome === 'succeeded' && real !== null && maxRss !== null),
  ).toHaveLength(count);
  for (const job of jobs) if (ended.has(job.id)) expect(endOf(job)).toEqual(ended.get(job.id));
  const printed = new Map<string, string>();
  for (const { id: job, stream, text } of (await home.omx(['logs', id, '--both', '--json'])).jsonLines())
    printed.set(job, `${printed.get(job) ?? ''}${stream} ${text}`);
  expect(jobs.filter((job) => printed.get(job.id) !== `stdout ${job.index}\n`).map((job) => job.id)).toEqual([]);
  expect(printed.size).toBe(count);
  // Those that ran when the shepherd died, and none that only waited there for others.
  expect(await charged(id)).toBeLessThanOrEqual(availableParallelism());
});
