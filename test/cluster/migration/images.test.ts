import {
  closeSync,
  copyFileSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';

import { jobOf, logsOf } from '../../kit/batches.ts';
import { useCluster } from '../../kit/cluster/use-cluster.ts';
import { skipUnless } from '../../kit/needs.ts';
import { until } from '../../kit/until.ts';
import { held } from './programs.ts';
import { begins, ends, finish, folderOf, goesOn, type Movable, nothingLeft, startAll, startMovable } from './steps.ts';

const cluster = useCluster({ nodes: 3, shared: 'until one fails' });
const here = { ...skipUnless('netns', 'criu'), timeout: 120_000 };

/** Files below a folder, by a part of their names. */
function filesIn(folder: string, name: RegExp): string[] {
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

/** The folder of the cluster whose workers were started. */
let startedIn = '';

async function ready(): Promise<void> {
  if (startedIn !== cluster.shared) await startAll(cluster, ['--slots', '3', '--lease', '4s']);
  startedIn = cluster.shared;
}

test('what is changed on its way is refused before it is thawed, and the job goes on where it was', here, async () => {
  await ready();
  // Much of it, so that there is time on the way.
  const job = await startMovable(cluster, held('memory', 1, '200'), { nodes: ['n1', 'n2'] });
  const { node } = await begins(cluster, job);
  const target = node === 'n1' ? 'n2' : 'n1';
  const moving = cluster.omxSpawn(['migrate', job.id, '--to', target]);
  const pages = await until(() =>
    filesIn(join(folderOf(cluster, target), 'arriving'), /^pages-/).find((path) => statSync(path).size > 1_000_000),
  );
  // Another one in its place: what has come is compared as it comes, and not read again.
  const other = join(dirname(dirname(pages)), 'other');
  copyFileSync(pages, other);
  flip(other, 5000);
  renameSync(other, pages);
  const { code, stderr } = await moving.ended;
  expect(code).toBe(1);
  expect(stderr).toMatch(/pages-.* (was changed|has \d+ bytes instead of)/);
  expect(await jobOf(cluster, job.id)).toMatchObject({ node, migrations: 0, state: 'running' });
  finish(job);
  await ends(cluster, job);
  expect(await jobOf(cluster, job.id)).toMatchObject({ exitCode: 12, attempt: 1, migrations: 0 });
  await nothingLeft(cluster, job, ['n1', 'n2', 'n3']);
});

/** What becomes of an image where it is kept, and what is said of it. */
const damages: readonly { readonly what: string; readonly harm: (image: string) => void; readonly reason: RegExp }[] = [
  {
    what: 'of which a byte was changed',
    harm: (image) => filesIn(image, /^pages-/).forEach((pages) => flip(pages, 5000)),
    reason: /pages-.* was changed/,
  },
  {
    what: 'that was cut short',
    harm: (image) => filesIn(image, /^pages-/).forEach((pages) => truncateSync(pages, 4096)),
    reason: /pages-.* bytes instead of/,
  },
  {
    what: 'of another version of omx, or with another manifest,',
    harm: (image) =>
      filesIn(image, /^manifest\.json$/).forEach((manifest) => {
        const text = readFileSync(manifest, 'utf8');
        writeFileSync(manifest, text.replace(/"format":\s*\d+/, '"format":0'));
      }),
    reason: /manifest|format 0/,
  },
];

/** A job for each damage on one node, each with an image on another, which is damaged before the jobs' own node is gone. */
async function play(): Promise<Movable[]> {
  await ready();
  expect(await cluster.omx(['drain', 'n2'])).toMatchObject({ code: 0 });
  const nodes = ['n1', 'n2'];
  const jobs = await Promise.all(damages.map(async () => startMovable(cluster, held('memory', 1, '8'), { nodes })));
  await Promise.all(jobs.map(async (job) => begins(cluster, job)));
  expect(await cluster.omx(['undrain', 'n2'])).toMatchObject({ code: 0 });
  expect(await cluster.omx(['checkpoint', ...jobs.map(({ id }) => id)])).toMatchObject({ code: 0, stderr: '' });
  await Promise.all(jobs.map(async (job) => goesOn(cluster, job)));
  for (const [at, { harm }] of damages.entries()) {
    const kept = ['n2', 'n3'].map((node) => join(folderOf(cluster, node), 'images', String(jobs[at]?.id)));
    const image = kept.find((folder) => filesIn(folder, /./).length > 0);
    if (image === undefined) throw new Error(`nobody keeps an image of ${jobs[at]?.id}`);
    harm(image);
  }
  await cluster.nodes[0]?.crash();
  jobs.forEach(finish);
  return jobs;
}

let played: { readonly in: string; readonly jobs: Promise<Movable[]> } | undefined;

test.for(damages)('an image $what is refused', here, async (damage) => {
  const { reason } = damage;
  if (played?.in !== cluster.shared) played = { in: cluster.shared, jobs: play() };
  const job = (await played.jobs)[damages.indexOf(damage)] as Movable;
  await ends(cluster, job);
  // It began anew and did all of its work; nothing of the image was started.
  const pieces = Array.from({ length: 100 }, (_, piece) => `piece ${piece}\n`).join('');
  const output = await logsOf(cluster, job.id);
  expect(output.startsWith(`${pieces}sum `)).toBe(true);
  expect(await jobOf(cluster, job.id)).toMatchObject({ exitCode: 12, attempt: 2, node: 'n2' });
  expect((await cluster.omx(['why', job.id])).stdout).toMatch(reason);
  await nothingLeft(cluster, job, ['n2', 'n3']);
});
