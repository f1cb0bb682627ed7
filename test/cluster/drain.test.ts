import { expect, test } from 'vitest';

import { jobOf, logsOf, waitFor } from '../kit/batches.ts';
import type { ClusterNode } from '../kit/cluster/node.ts';
import { useCluster } from '../kit/cluster/use-cluster.ts';
import { skipUnless } from '../kit/needs.ts';
import { until } from '../kit/until.ts';
import { begins, finish, type Movable, nothingLeft, startMovable } from './migration/steps.ts';

const cluster = useCluster({ nodes: 3 });
const here = { ...skipUnless('netns', 'criu'), timeout: 180_000 };

const names = ['n1', 'n2', 'n3'];
/** Says each number once, so that a run that began anew, or lost a part, is seen in its output. */
const counting = ['sh', '-c', 'i=0; until [ -e finish ]; do i=$((i+1)); echo $i; sleep 0.05; done; echo done'];

/** So many jobs that run on the first node, alone so far. */
async function onFirst(count: number, launcher = 'criu'): Promise<Movable[]> {
  const jobs: Movable[] = [];
  for (let each = 0; each < count; each += 1) jobs.push(await startMovable(cluster, counting, { launcher }));
  await Promise.all(jobs.map(async (job) => begins(cluster, job)));
  return jobs;
}

interface NodeJson {
  readonly state: string;
  readonly running: number;
  readonly reason: string;
  readonly launchers: readonly string[];
}

async function nodeNamed(name: string): Promise<NodeJson> {
  return (await cluster.omx(['nodes', '--json'])).jsonLines().find((node) => node.name === name);
}

/** It takes jobs, and has found out that it can thaw them. */
async function joins(node: ClusterNode, ...args: readonly string[]): Promise<void> {
  await node.start(args);
  await until(async () => (await nodeNamed(node.name)).launchers.includes('criu'), { timeoutMs: 20_000 });
}

/** Ends it; it went on all the time with what it had done. */
async function endOne(job: Movable): Promise<void> {
  finish(job);
  expect(await waitFor(cluster, job.id)).toBe(0);
  const said = (await logsOf(cluster, job.id)).trim().split('\n');
  expect(said.at(-1)).toBe('done');
  expect(said.slice(0, -1)).toEqual(said.slice(0, -1).map((_line, at) => String(at + 1)));
}

async function endAll(jobs: readonly Movable[]): Promise<void> {
  for (const job of jobs) await endOne(job);
  for (const job of jobs) await nothingLeft(cluster, job, names);
}

test('a drained node gives its running jobs away, and they go on where they were', here, async () => {
  const [one, two, three] = cluster.nodes as [ClusterNode, ClusterNode, ClusterNode];
  await one.start(['--slots', '3']);
  const jobs = await onFirst(3);
  await Promise.all([two, three].map(async (node) => joins(node, '--slots', '2')));
  const { code, stdout } = await cluster.omx(['drain', 'n1', '--reason', 'new disk', '--wait']);
  expect({ code, last: stdout.trim().split('\n').at(-1) }).toEqual({ code: 0, last: 'n1: runs nothing' });
  expect(await nodeNamed('n1')).toMatchObject({ state: 'drained', running: 0 });
  for (const { id } of jobs) {
    const job = await jobOf(cluster, id);
    expect(job).toMatchObject({ state: 'running', attempt: 1, migrations: 1 });
    expect(['n2', 'n3']).toContain(job.node);
    const why = await cluster.omx(['why', id]);
    expect(why.stdout).toMatch(/moved from n1 to n[23] \(node n1 is drained: new disk\)/);
  }
  await endAll(jobs);
});

test('what cannot be moved is waited for, and its reason told; --requeue ends it', here, async () => {
  const [one, two] = cluster.nodes as [ClusterNode, ClusterNode];
  await one.start(['--slots', '2']);
  const [plain] = (await onFirst(1, 'plain')) as [Movable];
  const [movable] = (await onFirst(1)) as [Movable];
  await joins(two, '--slots', '2');
  await cluster.omx(['drain', 'n1']);
  await until(async () => (await jobOf(cluster, movable.id)).node === 'n2', { timeoutMs: 20_000 });
  await until(async () => (await cluster.omx(['why', plain.id])).stdout, {
    is: (why) => /it runs under plain, and nobody moves it/.test(why),
  });
  await until(() => nodeNamed('n1'), { is: ({ state, running }) => state === 'draining' && running === 1 });

  expect(await cluster.omx(['drain', 'n1', '--requeue', '--wait'])).toMatchObject({ code: 0 });
  await until(async () => (await jobOf(cluster, plain.id)).state === 'running', { timeoutMs: 20_000 });
  expect(await jobOf(cluster, plain.id)).toMatchObject({ node: 'n2', attempt: 2, migrations: 0 });
  expect(await jobOf(cluster, movable.id)).toMatchObject({ node: 'n2', attempt: 1, migrations: 1 });
  for (const job of [plain, movable]) finish(job);
  expect(await waitFor(cluster, plain.id, movable.id)).toBe(0);
});

test('a job for which the others have no room goes as soon as there is some', here, async () => {
  const [one, two] = cluster.nodes as [ClusterNode, ClusterNode];
  await one.start(['--slots', '2']);
  const jobs = await onFirst(2);
  await joins(two, '--slots', '1');
  await cluster.omx(['drain', 'n1']);
  const places = async () => Promise.all(jobs.map(async ({ id }) => (await jobOf(cluster, id)).node));
  await until(places, { is: (nodes) => nodes.includes('n2'), timeoutMs: 20_000 });
  const stays = jobs[(await places()).indexOf('n1')] as Movable;
  const left = jobs.find((job) => job !== stays) as Movable;
  await until(async () => (await cluster.omx(['why', stays.id])).stdout, {
    is: (why) => /n2 had no room for it; it is tried again/.test(why),
  });
  await endOne(left);
  await until(async () => (await jobOf(cluster, stays.id)).node === 'n2', { timeoutMs: 20_000 });
  await endAll([left, stays]);
  await until(async () => (await nodeNamed('n1')).state === 'drained');
});

test('a worker that is told to leave moves what it can, and requeues the rest', here, async () => {
  const [one, two] = cluster.nodes as [ClusterNode, ClusterNode];
  await one.start(['--slots', '3', '--grace', '40s']);
  const [plain] = (await onFirst(1, 'plain')) as [Movable];
  const movable = await onFirst(2);
  await joins(two, '--slots', '3');
  await one.stop();
  for (const { id } of movable)
    expect(await jobOf(cluster, id)).toMatchObject({ state: 'running', node: 'n2', attempt: 1, migrations: 1 });
  await until(async () => (await jobOf(cluster, plain.id)).state === 'running', { timeoutMs: 20_000 });
  expect(await jobOf(cluster, plain.id)).toMatchObject({ node: 'n2', attempt: 2 });
  finish(plain);
  expect(await waitFor(cluster, plain.id)).toBe(0);
  await endAll(movable);
});

test('a second SIGTERM ends the waiting for room, and alone there is nothing to wait for', here, async () => {
  const [one, two] = cluster.nodes as [ClusterNode, ClusterNode];
  await one.start(['--slots', '1', '--grace', '10m']);
  const [free] = (await onFirst(1)) as [Movable];
  await joins(two, '--slots', '1', '--grace', '10m');
  const filler = await startMovable(cluster, counting, { nodes: ['n2'] });
  await begins(cluster, filler);
  // The other has no slot for it.
  one.kill('SIGTERM');
  await until(async () => (await nodeNamed('n1')).reason, { is: (reason) => reason === 'it leaves' });
  await until(async () => (await cluster.omx(['why', free.id])).stdout, { is: (why) => /no room/.test(why) });
  one.kill('SIGTERM');
  await until(async () => (await nodeNamed('n1')).state === 'down', { timeoutMs: 15_000 });
  expect(await jobOf(cluster, free.id)).toMatchObject({ state: 'queued', migrations: 0 });
  await two.stop();
  expect((await nodeNamed('n2')).state).toBe('down');
});
