import { expect, test } from 'vitest';

import { jobsOf, logsOf, waitFor } from '../kit/batches.ts';
import { useCluster } from '../kit/cluster/use-cluster.ts';
import { skipUnless } from '../kit/needs.ts';
import { submitTicking } from './ticking.ts';

const cluster = useCluster({ nodes: 3 });
const here = skipUnless('netns');
const jobs = 18;

/** All jobs ran once, the node with the bad link had its part, and its output came over. */
async function sharedWith(node: string): Promise<void> {
  const ticking = await submitTicking(cluster, { jobs, seconds: 1 });
  expect(await waitFor(cluster, ticking.id)).toBe(0);
  expect(ticking.histories()).toEqual(Array(jobs).fill('attempt 1 ended'));
  const there = (await jobsOf(cluster, ticking.id)).filter((job) => job.node === node);
  expect(there.length).toBeGreaterThan(0);
  for (const { id, index } of there) expect(await logsOf(cluster, id)).toBe(`${index} on ${node}\n`);
}

test('a node behind a slow link takes part', here, async () => {
  await cluster.start(['--slots', '1']);
  await cluster.nodes[0]?.slow(64);
  await sharedWith('n1');
});

test('a node behind a link that loses a tenth of the packets takes part', here, async () => {
  await cluster.start(['--slots', '1']);
  await cluster.nodes[0]?.lossy(0.1);
  await sharedWith('n1');
});

test('a node far away takes part', here, async () => {
  const [far, ...near] = cluster.nodes;
  await far?.start(['--slots', '1', '--redis', await cluster.farServer(100)]);
  await Promise.all(near.map((node) => node.start(['--slots', '1'])));
  await sharedWith('n1');
});
