import { expect, test } from 'vitest';

import { jobOf, jobsOf, waitFor } from '../kit/batches.ts';
import type { ClusterNode } from '../kit/cluster/node.ts';
import { useCluster } from '../kit/cluster/use-cluster.ts';
import { skipUnless } from '../kit/needs.ts';
import { until } from '../kit/until.ts';
import { submitTicking, type Ticking } from './ticking.ts';

const cluster = useCluster({ nodes: 4 });
const here = skipUnless('netns');

/** Within this time the jobs of a lost node run elsewhere, if nothing is said of leases. */
const noticedMs = 15_000;

const short = ['--lease', '6s'];

const jobs = 3;

/** A job on each of three nodes, and a fourth node that is free. The victim has the first. */
async function oneJobEach(
  seconds: number,
  args: readonly string[] = short,
): Promise<{ ticking: Ticking; victim: ClusterNode; job: string }> {
  await cluster.start(['--slots', '1', ...args]);
  const ticking = await submitTicking(cluster, { jobs, seconds });
  const [first] = await ticking.hasBegun(jobs);
  const victim = cluster.nodes.find(({ name }) => name === first?.node);
  if (victim === undefined || first === undefined) throw new Error('no job has begun');
  return { ticking, victim, job: first.job };
}

async function isUp(node: string): Promise<boolean> {
  const nodes = (await cluster.omx(['nodes', '--json'])).jsonLines();
  return nodes.some(({ name, state }) => name === node && state === 'up');
}

/** Each job has one outcome, and at no time two processes computed for one. */
async function endsWell({ id, twice, living, begun }: Ticking): Promise<void> {
  expect(await waitFor(cluster, id)).toBe(0);
  expect((await jobsOf(cluster, id)).map(({ outcome }) => outcome)).toEqual(Array(jobs).fill('succeeded'));
  expect(twice()).toEqual([]);
  await until(() => living(), { is: (left) => left.length === 0 });
  // The outcome is that of the last attempt, and that one ran to its end.
  for (const { id: job, attempt } of await jobsOf(cluster, id))
    expect(begun().find((each) => each.job === job && each.attempt === attempt)).toMatchObject({ ended: true });
}

test('jobs of a node that is cut off go on elsewhere; on its return it ends what it must not run', here, async () => {
  const { ticking, victim, job } = await oneJobEach(20, []);
  await victim.cut();
  const cutAt = Date.now();
  const again = await ticking.attempt(job, 2);
  expect(again.first - cutAt).toBeLessThan(noticedMs);
  expect(again.node).not.toBe(victim.name);
  await victim.join();
  await until(() => ticking.living().every(({ node }) => node !== victim.name), { timeoutMs: 20_000 });
  await until(async () => isUp(victim.name), { timeoutMs: 20_000 });
  await endsWell(ticking);
  expect((await cluster.omx(['why', job])).stdout).toContain(victim.name);
});

test('what a cut-off node ended in time but reports late is superseded', here, async () => {
  const { ticking, victim, job } = await oneJobEach(8, []);
  await until(() => ticking.begun().every(({ last, first }) => last - first > 4000), { timeoutMs: 20_000 });
  await victim.cut();
  // It ends there within the lease, while nobody can be told.
  await until(() => ticking.begun().find((each) => each.job === job)?.ended, { timeoutMs: 20_000 });
  await ticking.attempt(job, 2);
  await victim.join();
  await until(async () => isUp(victim.name), { timeoutMs: 20_000 });
  await endsWell(ticking);
  expect((await jobOf(cluster, job)).attempt).toBe(2);
  expect((await cluster.omx(['why', job])).stdout).toMatch(/superseded/);
});

test('a short cut loses nothing and starts nothing again', here, async () => {
  const { ticking, victim } = await oneJobEach(8, []);
  await victim.cut();
  const seen = ticking.begun().find(({ node }) => node === victim.name)?.last ?? 0;
  await until(() => (ticking.begun().find(({ node }) => node === victim.name)?.last ?? 0) - seen > 4000);
  await victim.join();
  await endsWell(ticking);
  expect(ticking.begun()).toHaveLength(jobs);
});

test('a worker stopped past its lease and continued ends what others run', here, async () => {
  const { ticking, victim, job } = await oneJobEach(15);
  victim.kill('SIGSTOP');
  const again = await ticking.attempt(job, 2);
  expect(again.node).not.toBe(victim.name);
  // Whoever stops a worker does not stop the shepherd, which knows how long the lease is.
  for (const { node, stopped } of ticking.living()) if (node === victim.name) expect(stopped).toBe(true);
  victim.kill('SIGCONT');
  await until(() => ticking.living().every(({ node }) => node !== victim.name), { timeoutMs: 20_000 });
  await until(async () => isUp(victim.name), { timeoutMs: 20_000 });
  await endsWell(ticking);
});

test('jobs of a machine that is gone are run again elsewhere', here, async () => {
  const { ticking, victim, job } = await oneJobEach(5);
  await victim.crash();
  const goneAt = Date.now();
  expect((await ticking.attempt(job, 2)).first - goneAt).toBeLessThan(9000);
  await endsWell(ticking);
});
