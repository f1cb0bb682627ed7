import { expect, test } from 'vitest';

import { finish, jobsOf, logsOf, submit, waitFor } from '../kit/batches.ts';
import { useCluster } from '../kit/cluster/use-cluster.ts';
import { skipUnless } from '../kit/needs.ts';
import { fixture } from '../kit/ran.ts';

const cluster = useCluster({ nodes: 3 });
const here = skipUnless('netns');

test('jobs spread over three nodes', here, async () => {
  await cluster.start(['--slots', '1']);
  const id = await finish(cluster, ['--array', '1-9', '--', fixture('tick'), `${cluster.shared}/trace`, '5']);
  const jobs = await jobsOf(cluster, id);
  expect(jobs.map(({ outcome }) => outcome)).toEqual(Array(9).fill('succeeded'));
  // Nobody has more than a slot, so nobody gets far ahead.
  for (const { name } of cluster.nodes) expect(jobs.filter(({ node }) => node === name).length).toBeGreaterThan(1);
});

test('a worker joins with nothing else to register, and those that are there go on', here, async () => {
  const [one, two, three] = cluster.nodes;
  await one?.start(['--slots', '1']);
  const worker = one?.workerPid();
  const id = await submit(cluster, ['--array', '1-30', '--', fixture('tick'), `${cluster.shared}/trace`, '4']);
  await Promise.all([two, three].map((node) => node?.start(['--slots', '1'])));
  expect(await waitFor(cluster, id)).toBe(0);
  const nodes = new Set((await jobsOf(cluster, id)).map(({ node }) => node));
  expect(nodes).toEqual(new Set(['n1', 'n2', 'n3']));
  expect(one?.workerPid()).toBe(worker);
  const known = (await cluster.omx(['nodes', '--json'])).jsonLines();
  expect(known.map(({ name, state }) => [name, state])).toEqual([
    ['n1', 'up'],
    ['n2', 'up'],
    ['n3', 'up'],
  ]);
});

test('output and results of any job can be read from any node', here, async () => {
  await cluster.start(['--slots', '1']);
  // The last one is more than travels to the queue: it stays where it was made.
  const script = 'echo "$OMX_JOB -> $((OMX_JOB * 100))"; [ "$OMX_JOB" -lt 6 ] || head -c 300000 /dev/zero | tr "\\0" x';
  const id = await finish(cluster, ['--array', '1-6', '--parse', 'fib', '--', 'sh', '-c', script]);
  const rows = (await cluster.omx(['results', id, '--json'])).stdout;
  const out = await logsOf(cluster, id);
  expect(out).toContain('5 -> 500\n');
  expect(out.length).toBeGreaterThan(300_000);
  for (const node of cluster.nodes) {
    expect(await logsOf(node, id)).toBe(out);
    expect((await node.omx(['results', id, '--json'])).stdout).toBe(rows);
  }
});

test('of two workers with one name the second is refused, and the first goes on', here, async () => {
  const [one, two] = cluster.nodes;
  await one?.start();
  const second = await two?.omx(['worker', '--name', 'n1']);
  expect(second).toMatchObject({ code: 2, stdout: '' });
  expect(second?.stderr).toContain("cannot join as 'n1'");
  const id = await finish(cluster, ['--', 'true']);
  expect((await jobsOf(cluster, id)).map(({ node, outcome }) => [node, outcome])).toEqual([['n1', 'succeeded']]);
});
