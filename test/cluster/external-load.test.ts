import { expect, test } from 'vitest';

import { finish, jobsOf } from '../kit/batches.ts';
import type { ClusterNode } from '../kit/cluster/node.ts';
import { useCluster } from '../kit/cluster/use-cluster.ts';
import { skipUnless } from '../kit/needs.ts';
import { root } from '../kit/open-home.ts';
import { until } from '../kit/until.ts';

// A processor of which each node has two thirds, so that both together leave some for the test.
const cluster = useCluster({ nodes: 2, cpus: [0.65, 0.65] });

const classes = `${root}/examples/java/build`;
const seconds = (count: number): string => `i=0; while [ $i -lt ${count} ]; do i=$((i+1)); done`;

/** What the second node says of itself. */
async function second(): Promise<{ slots: number; externalLoad: number }> {
  return (await cluster.omx(['nodes', '--json'])).jsonLines().find(({ name }) => name === 'n2');
}

/** Runs a batch of some CPU-bound jobs. @returns the part of them that ran on the second node */
async function shareOfSecond(): Promise<number> {
  const jobs = 24;
  const id = await finish(cluster, ['--array', `1-${jobs}`, '--', 'sh', '-c', seconds(150_000)]);
  const found = await jobsOf(cluster, id);
  expect(found.every(({ outcome }) => outcome === 'succeeded')).toBe(true);
  return found.filter(({ node }) => node === 'n2').length / jobs;
}

// The report's section 3.3.2: Java programs are started on node 2 and cannot be moved; the others make room for them.
test(
  'a node that others use gets less, and its share again when they are done',
  { ...skipUnless('netns', 'java'), timeout: 180_000 },
  async () => {
    await cluster.start(['--slots', 'auto']);
    const [, busy] = cluster.nodes as [ClusterNode, ClusterNode];
    expect(await shareOfSecond()).toBeGreaterThan(0.3);

    const java = ['java', '-XX:+UseSerialGC', '-cp', classes, 'Multifibo', '60'];
    const ends = [busy.outsider(java), busy.outsider(java)];
    await until(second, { is: ({ slots, externalLoad }) => slots === 0 && externalLoad > 0.3, timeoutMs: 15_000 });
    expect(await shareOfSecond()).toBeLessThan(0.25);

    await Promise.all(ends.map(async (end) => end()));
    await until(second, { is: ({ slots, externalLoad }) => slots === 1 && externalLoad < 0.1, timeoutMs: 15_000 });
    expect(await shareOfSecond()).toBeGreaterThan(0.3);
  },
);
