import { expect, test } from 'vitest';

import { type JobJson, jobsOf, logsOf, open, submit, waitFor } from '../kit/batches.ts';
import type { ClusterNode } from '../kit/cluster/node.ts';
import { useCluster } from '../kit/cluster/use-cluster.ts';
import { skipUnless } from '../kit/needs.ts';
import { until } from '../kit/until.ts';

// Each node is a part of a processor, so that all together leave some for the test.
const cluster = useCluster({ nodes: 2, cpus: [0.5, 0.5] });
const here = { ...skipUnless('netns', 'criu'), timeout: 180_000 };

/** Computes and says how far it is, until it may end. */
const busy = 'i=0; until [ -e finish ]; do i=$((i+1)); [ $((i % 4000)) = 0 ] && echo $i; done; echo done';
const outsider = ['sh', '-c', 'while :; do :; done'];

async function begin(jobs: number, ...options: readonly string[]): Promise<string> {
  const args = ['--launcher', 'criu', ...options, '--array', `1-${jobs}`, '--cwd', cluster.shared];
  return submit(cluster, [...args, '--', 'sh', '-c', busy]);
}

/** The nodes of the running jobs, in alphabetic order. */
async function places(id: string): Promise<string[]> {
  const jobs = await jobsOf(cluster, id);
  return jobs
    .filter(({ state }) => state === 'running')
    .map(({ node }) => String(node))
    .toSorted();
}

async function are(id: string, expected: readonly string[], timeoutMs = 40_000): Promise<void> {
  await until(() => places(id), { is: (now) => String(now) === String(expected), timeoutMs });
}

/** Lets the jobs end. @returns them, each of which did all of its work once */
async function end(id: string): Promise<JobJson[]> {
  open(`${cluster.shared}/finish`);
  expect(await waitFor(cluster, id)).toBe(0);
  const jobs = await jobsOf(cluster, id);
  for (const job of jobs) {
    const said = (await logsOf(cluster, job.id)).trim().split('\n');
    expect(said.at(-1)).toBe('done');
    expect(said.slice(0, -1)).toEqual(said.slice(0, -1).map((_line, at) => String((at + 1) * 4000)));
    expect(job.attempt).toBe(1);
  }
  return jobs;
}

/** Waits until every job has got on so far, whatever the clock says. */
async function getsOn(id: string, lines: number): Promise<void> {
  const said = async (): Promise<number[]> =>
    Promise.all((await jobsOf(cluster, id)).map(async (job) => (await logsOf(cluster, job.id)).split('\n').length));
  const before = await said();
  await until(said, { is: (now) => now.every((count, at) => count >= (before[at] ?? 0) + lines), timeoutMs: 90_000 });
}

const moves = (jobs: readonly JobJson[]): number => jobs.reduce((sum, { migrations }) => sum + migrations, 0);

// The report's section 3.3.2, with the jobs running: others start programs on node 2, and the jobs leave it.
test('jobs leave a node that others use, and one comes back when they are done', here, async () => {
  await cluster.start(['--slots', '1']);
  const [, second] = cluster.nodes as [ClusterNode, ClusterNode];
  const id = await begin(2, '--oversubscribe');
  await are(id, ['n1', 'n2']);
  const ends = [second.outsider(outsider), second.outsider(outsider), second.outsider(outsider)];
  await are(id, ['n1', 'n1']);
  const away = (await jobsOf(cluster, id)).find(({ migrations }) => migrations > 0);
  expect((await cluster.omx(['why', String(away?.id)])).stdout).toMatch(
    /moved from n2 to n1 \(\d\.\d CPUs are wanted of the 0\.5 of n2, \d\.\d of them by others; on n1 it gets on/,
  );
  await getsOn(id, 20);
  expect(moves(await jobsOf(cluster, id))).toBe(1);

  await Promise.all(ends.map(async (stop) => stop()));
  await are(id, ['n1', 'n2']);
  await getsOn(id, 20);
  // There and back, and nobody went to and fro.
  expect(moves(await end(id))).toBe(2);
});

test('a node that joins gets a job of a crowded one; jobs that are not to be moved stay', here, async () => {
  const [first, second] = cluster.nodes as [ClusterNode, ClusterNode];
  await first.start(['--slots', '3']);
  const [fixed, free] = [await begin(1, '--balance', 'off'), await begin(2)];
  await are(free, ['n1', 'n1']);
  await second.start(['--slots', '3']);
  await are(free, ['n1', 'n2']);
  await getsOn(free, 20);
  expect(await places(fixed)).toEqual(['n1']);
  const events = (await cluster.omx(['events', '--json'])).stdout;
  expect(events).toContain('"type":"job-moved"');
  expect(moves(await end(free))).toBeLessThanOrEqual(2);
  expect(moves(await end(fixed))).toBe(0);
});

test('jobs that share slots fill the nodes alike; others wait for a slot', here, async () => {
  await cluster.start(['--slots', '1']);
  const shared = await begin(4, '--oversubscribe');
  await are(shared, ['n1', 'n1', 'n2', 'n2']);
  const other = await begin(1);
  await getsOn(shared, 2);
  expect(await places(other)).toEqual([]);
  await end(shared);
  expect(await waitFor(cluster, other)).toBe(0);
});
