import { join } from 'node:path';

import { expect, test } from 'vitest';

import { jobOf, logsOf, waitFor } from '../kit/batches.ts';
import { useCluster } from '../kit/cluster/use-cluster.ts';
import { processesOf } from '../kit/left-behind.ts';
import { skipUnless } from '../kit/needs.ts';
import { until } from '../kit/until.ts';
import { held } from './migration/programs.ts';
import {
  begins,
  cpuOf,
  entries,
  finish,
  folderOf,
  goesOn,
  type Movable,
  nothingLeft,
  startMovable,
} from './migration/steps.ts';

const cluster = useCluster({ nodes: 4 });
const here = { ...skipUnless('netns', 'criu'), timeout: 180_000 };
const places = ['n1', 'n2', 'n3'];
const command = held('memory', 3, '8');
const byTheClock = ['--checkpoint-every', '1s'];

/** All images, each with its node. */
function images(nodes: readonly string[]): string[] {
  return nodes.flatMap((node) =>
    entries(join(folderOf(cluster, node), 'images'))
      .flatMap(entries)
      .flatMap(entries)
      .map((path) => `${node} ${path}`),
  );
}

/**
 * Waits for another image than there is now, and until that is gone: then the new one is registered. A node that dies earlier
 * leaves one of them to a keeper's next look, minutes later.
 */
async function newImage(nodes: readonly string[]): Promise<void> {
  const alone = (before?: string) => () => {
    const [image, ...others] = images(nodes);
    return others.length === 0 && image !== before ? image : undefined;
  };
  await until(alone(await until(alone(), { timeoutMs: 30_000 })), { timeoutMs: 30_000 });
}

async function nodeOf(job: Movable): Promise<string> {
  return String((await jobOf(cluster, job.id)).node);
}

async function goesOnInAttempt(job: Movable, attempt: number): Promise<string> {
  await until(async () => jobOf(cluster, job.id), {
    is: (now) => now.attempt === attempt && now.state === 'running',
    timeoutMs: 40_000,
  });
  return nodeOf(job);
}

test('two nodes die one after the other, and the job goes on from its newest image each time', here, async () => {
  await cluster.start(['--slots', '1', '--lease', '4s']);
  const still = await startMovable(cluster, command, { nodes: ['n4'] });
  const job = await startMovable(cluster, command, { nodes: places, args: byTheClock });
  finish(still);
  let left = [...places];
  for (const attempt of [1, 2]) {
    if (attempt === 1) await begins(cluster, job);
    const node = await goesOnInAttempt(job, attempt);
    left = left.filter((name) => name !== node);
    // One made by this attempt, with what it has done; it may be kept at n4, which does not run the job.
    await newImage([...left, 'n4']);
    await cluster.nodes.find(({ name }) => name === node)?.crash();
  }
  const last = await goesOnInAttempt(job, 3);
  expect(left).toEqual([last]);
  finish(job);
  await waitFor(cluster, job.id, still.id);
  const [ended, undisturbed] = [await jobOf(cluster, job.id), await jobOf(cluster, still.id)];
  expect(await logsOf(cluster, job.id)).toBe(await logsOf(cluster, still.id));
  expect(ended).toMatchObject({ exitCode: undisturbed.exitCode, attempt: 3, node: last });
  expect(Math.abs(cpuOf(ended) - cpuOf(undisturbed))).toBeLessThan(cpuOf(undisturbed) * 0.05 + 0.2);
  await nothingLeft(cluster, job, [last, 'n4']);
});

test('of a node that is cut off the job goes on elsewhere, and never at both', here, async () => {
  await cluster.start(['--slots', '1', '--lease', '4s']);
  const job = await startMovable(cluster, command, { nodes: places, args: byTheClock });
  await begins(cluster, job);
  const node = await nodeOf(job);
  await newImage(['n1', 'n2', 'n3', 'n4'].filter((name) => name !== node));
  const victim = cluster.nodes.find(({ name }) => name === node);
  await victim?.cut();
  expect(await goesOnInAttempt(job, 2)).not.toBe(node);
  await victim?.join();
  await goesOn(cluster, job);
  finish(job);
  await waitFor(cluster, job.id);
  const pieces = Array.from({ length: 100 }, (_, at) => `piece ${at}\n`).join('');
  expect(await logsOf(cluster, job.id)).toMatch(new RegExp(`^${pieces}sum [0-9a-f]+\\n$`));
  expect(await jobOf(cluster, job.id)).toMatchObject({ exitCode: 12, attempt: 2 });
  await until(() => processesOf(job.cwd), { is: (left) => left.length === 0, timeoutMs: 20_000 });
  await nothingLeft(cluster, job, [...places, 'n4']);
});

test('who keeps the image dies with the node: the job begins anew', here, async () => {
  await cluster.start(['--slots', '1', '--lease', '4s']);
  const job = await startMovable(cluster, command, { nodes: places });
  await begins(cluster, job);
  const node = await nodeOf(job);
  expect(await cluster.omx(['checkpoint', job.id])).toMatchObject({ code: 0, stderr: '' });
  const keeper = images([...places, 'n4'])[0]?.split(' ')[0];
  for (const name of [keeper, node]) await cluster.nodes.find((each) => each.name === name)?.crash();
  const last = await goesOnInAttempt(job, 2);
  finish(job);
  await waitFor(cluster, job.id);
  expect(await jobOf(cluster, job.id)).toMatchObject({ exitCode: 12, attempt: 2, node: last });
  expect((await cluster.omx(['why', job.id])).stdout).toMatch(
    /starts from the beginning at n\d: its image cannot be had/,
  );
  await nothingLeft(cluster, job, [last]);
});
