import { expect, test } from 'vitest';

import { isAlive, jobsOf, waitFor } from '../kit/batches.ts';
import { useCluster } from '../kit/cluster/use-cluster.ts';
import { skipUnless } from '../kit/needs.ts';
import { until } from '../kit/until.ts';
import { submitTicking } from './ticking.ts';

const cluster = useCluster({ nodes: 2 });
const here = skipUnless('netns');
const slots = ['--slots', '2'];

test(
  'a killed worker that is started again adopts its jobs: same attempt, same process, usage exact',
  here,
  async () => {
    await cluster.start(slots);
    const [victim] = cluster.nodes;
    const ticking = await submitTicking(cluster, { jobs: 4, seconds: 6 });
    await ticking.hasBegun(4);
    // Not by process: each starts others that are soon gone by themselves.
    const attempts = (): Set<string> => new Set(ticking.living().map(({ attempt }) => attempt));
    const before = attempts();
    expect(before.size).toBe(4);
    const worker = victim?.workerPid() ?? 0;
    victim?.kill('SIGKILL');
    await until(() => !isAlive(worker));
    expect(attempts()).toEqual(before);
    await victim?.start(slots);
    expect(await waitFor(cluster, ticking.id)).toBe(0);
    expect(ticking.histories()).toEqual(Array(4).fill('attempt 1 ended'));
    for (const { attempt, real } of await jobsOf(cluster, ticking.id)) {
      expect(attempt).toBe(1);
      expect(real).toBeGreaterThan(6);
    }
  },
);

test('a killed shepherd takes its jobs along; they are run again, and nothing goes on computing', here, async () => {
  await cluster.start(slots);
  const [victim] = cluster.nodes;
  const ticking = await submitTicking(cluster, { jobs: 4, seconds: 5 });
  const lost = (await ticking.hasBegun(4)).filter(({ node }) => node === victim?.name).map(({ job }) => job);
  expect(lost).toHaveLength(2);
  process.kill(victim?.shepherdPid() ?? 0, 'SIGKILL');
  await until(() => ticking.living().every(({ attempt }) => !lost.includes(attempt.replace(/#1$/, ''))));
  for (const job of lost) await ticking.attempt(job, 2);
  expect(await waitFor(cluster, ticking.id)).toBe(0);
  expect(ticking.twice()).toEqual([]);
  const attempts = new Map((await jobsOf(cluster, ticking.id)).map(({ id, attempt }) => [id, attempt]));
  for (const [job, attempt] of attempts) expect(attempt, job).toBe(lost.includes(job) ? 2 : 1);
  await until(() => ticking.living(), { is: (left) => left.length === 0 });
});

test('a drained node finishes what it runs and takes nothing more, until it is undrained', here, async () => {
  await cluster.start(slots);
  const [drained, other] = cluster.nodes;
  const stateOf = async (): Promise<string> =>
    (await cluster.omx(['nodes', '--json'])).jsonLines().find(({ name }) => name === drained?.name)?.state;
  const first = await submitTicking(cluster, { jobs: 4, seconds: 3 });
  await first.hasBegun(4);
  // Said anywhere, it holds for that node.
  expect((await (other ?? cluster).omx(['drain', 'n1'])).code).toBe(0);
  const later = await submitTicking(cluster, { jobs: 6, seconds: 1 });
  expect(await waitFor(cluster, first.id, later.id)).toBe(0);
  expect(new Set((await jobsOf(cluster, later.id)).map(({ node }) => node))).toEqual(new Set(['n2']));
  // Its own two were not touched.
  expect((await jobsOf(cluster, first.id)).map(({ attempt }) => attempt)).toEqual([1, 1, 1, 1]);
  await until(stateOf, { is: (state) => state === 'drained' });
  expect((await cluster.omx(['undrain', 'n1'])).code).toBe(0);
  await until(stateOf, { is: (state) => state === 'up' });
  const again = await submitTicking(cluster, { jobs: 4, seconds: 1 });
  expect(await waitFor(cluster, again.id)).toBe(0);
  expect(new Set((await jobsOf(cluster, again.id)).map(({ node }) => node))).toEqual(new Set(['n1', 'n2']));
});

test('a node stays drained over a restart of its worker', here, async () => {
  await cluster.start(slots);
  const [drained] = cluster.nodes;
  expect((await cluster.omx(['drain', 'n1'])).code).toBe(0);
  await drained?.stop();
  await drained?.start(slots);
  const batch = await submitTicking(cluster, { jobs: 4, seconds: 1 });
  expect(await waitFor(cluster, batch.id)).toBe(0);
  expect(new Set((await jobsOf(cluster, batch.id)).map(({ node }) => node))).toEqual(new Set(['n2']));
});

test('to drain a node that nobody knows is refused', here, async () => {
  await cluster.start(slots);
  const { code, stdout, stderr } = await cluster.omx(['drain', 'n9']);
  expect({ code, stdout }).toEqual({ code: 4, stdout: '' });
  expect(stderr).toContain('n9');
});
