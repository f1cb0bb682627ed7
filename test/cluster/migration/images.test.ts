import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

import { jobOf, logsOf, waitFor } from '../../kit/batches.ts';
import { useCluster } from '../../kit/cluster/use-cluster.ts';
import { skipUnless } from '../../kit/needs.ts';
import { until } from '../../kit/until.ts';
import { held } from './programs.ts';
import { begins, finish, folderOf, goesOn, type Movable, nothingLeft, startAll, startMovable } from './steps.ts';

const cluster = useCluster({ nodes: 3 });
const here = { ...skipUnless('netns', 'criu'), timeout: 120_000 };

/** Files below a folder of a node, by a part of their names. */
function filesOf(node: string, part: string, name: RegExp): string[] {
  const folder = join(folderOf(cluster, node), part);
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && name.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
}

function flip(path: string, at: number): void {
  // In place: it may still be growing.
  const fd = openSync(path, 'r+');
  const byte = Buffer.alloc(1);
  readSync(fd, byte, 0, 1, at);
  byte[0] = (byte[0] ?? 0) ^ 1;
  writeSync(fd, byte, 0, 1, at);
  closeSync(fd);
}

/** A job with an image on another node, which is changed before the job's own node is gone. */
async function restartedFrom(damage: (keeper: string) => void): Promise<{ job: Movable; node: string }> {
  await startAll(cluster, ['--slots', '2', '--lease', '4s']);
  const job = await startMovable(cluster, held('memory', 1, '8'));
  const { node } = await begins(cluster, job);
  expect(await cluster.omx(['checkpoint', job.id])).toMatchObject({ code: 0, stderr: '' });
  await goesOn(cluster, job);
  const keeper = ['n1', 'n2', 'n3'].find((name) => name !== node && filesOf(name, 'images', /./).length > 0);
  damage(String(keeper));
  await cluster.nodes.find(({ name }) => name === node)?.crash();
  finish(job);
  await waitFor(cluster, job.id);
  return { job, node: String(node) };
}

/** It began anew and did all of its work; nothing of the image was started. */
async function beganAnew({ job, node }: { job: Movable; node: string }, reason: RegExp): Promise<void> {
  const pieces = Array.from({ length: 100 }, (_, at) => `piece ${at}\n`).join('');
  const output = await logsOf(cluster, job.id);
  expect(output.startsWith(`${pieces}sum `)).toBe(true);
  expect(await jobOf(cluster, job.id)).toMatchObject({ exitCode: 12, attempt: 2 });
  expect((await cluster.omx(['why', job.id])).stdout).toMatch(reason);
  const survivors = ['n1', 'n2', 'n3'].filter((name) => name !== node);
  await nothingLeft(cluster, job, survivors);
}

test('an image of which a byte was changed is refused', here, async () => {
  const job = await restartedFrom((keeper) => {
    for (const pages of filesOf(keeper, 'images', /^pages-/)) flip(pages, 5000);
  });
  await beganAnew(job, /pages-.* was changed/);
});

test('an image that was cut short is refused', here, async () => {
  const job = await restartedFrom((keeper) => {
    for (const pages of filesOf(keeper, 'images', /^pages-/)) truncateSync(pages, 4096);
  });
  await beganAnew(job, /pages-.* bytes instead of/);
});

test('an image of another version of omx, or with another manifest, is refused', here, async () => {
  const job = await restartedFrom((keeper) => {
    for (const manifest of filesOf(keeper, 'images', /^manifest\.json$/)) {
      const text = readFileSync(manifest, 'utf8');
      writeFileSync(manifest, text.replace(/"format":\s*\d+/, '"format":0'));
    }
  });
  await beganAnew(job, /manifest|format 0/);
});

test('what is changed on its way is refused before it is thawed, and the job goes on where it was', here, async () => {
  await startAll(cluster, ['--slots', '2']);
  // Much of it, so that there is time on the way.
  const job = await startMovable(cluster, held('memory', 1, '200'));
  const { node } = await begins(cluster, job);
  const target = node === 'n1' ? 'n2' : 'n1';
  const moving = cluster.omxSpawn(['migrate', job.id, '--to', target]);
  // What has arrived is not written again.
  const pages = await until(() =>
    filesOf(target, 'arriving', /^pages-/).find((path) => statSync(path).size > 1_000_000),
  );
  flip(pages, 5000);
  const { code, stderr } = await moving.ended;
  expect(code).toBe(1);
  expect(stderr).toMatch(/pages-.* was changed/);
  expect(await jobOf(cluster, job.id)).toMatchObject({ node, migrations: 0, state: 'running' });
  finish(job);
  await waitFor(cluster, job.id);
  expect(await jobOf(cluster, job.id)).toMatchObject({ exitCode: 12, attempt: 1, migrations: 0 });
  await nothingLeft(cluster, job, ['n1', 'n2', 'n3']);
});
