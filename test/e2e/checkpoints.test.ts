import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import {
  jobOf,
  type JobJson,
  killNow,
  logsOf,
  open,
  shepherdPid,
  startNode,
  submit,
  waitFor,
  workerPid,
} from '../kit/batches.ts';
import { criuAfter } from '../kit/criu-after.ts';
import { useHome } from '../kit/home.ts';
import { skipUnless } from '../kit/needs.ts';
import { until } from '../kit/until.ts';

const home = useHome();
const here = { ...skipUnless('criu', 'bash'), timeout: 120_000 };

/** It counts ten a second until there is a file, which it waits for before it ends. */
const count =
  'i=0; while [ $i -lt 400 ]; do i=$((i+1)); echo $i; [ $i -lt 390 ] || until [ -e finish ]; do sleep 0.05; done; [ -e finish ] || sleep 0.1; done';
const counted = Array.from({ length: 400 }, (_, at) => `${at + 1}\n`).join('');
const fixed = ['--launcher', 'criu', '--balance', 'off'];

async function twoNodes(...args: readonly string[]): Promise<void> {
  await startNode(home, { name: 'n1', args: ['--lease', '3s', ...args] });
  await startNode(home, { name: 'n2', args: ['--lease', '3s', ...args] });
}

async function startCounting(args: readonly string[] = [], script = count): Promise<string> {
  const id = await submit(home, [...fixed, '--cwd', home.work, ...args, '--', 'bash', '-c', script]);
  await hasPrinted(`${id}.1`);
  return `${id}.1`;
}

async function linesOf(job: string): Promise<number> {
  return (await logsOf(home, job)).split('\n').length - 1;
}

async function hasPrinted(job: string, lines = 5): Promise<void> {
  await until(async () => (await jobOf(home, job)).state === 'running' && (await linesOf(job)) >= lines, {
    timeoutMs: 30_000,
  });
}

async function nodeOf(job: string): Promise<string> {
  return String((await jobOf(home, job)).node);
}

/** As if the machine had lost its power. */
async function crash(node: string): Promise<void> {
  await killNow(workerPid(home, node));
  await killNow(shepherdPid(home, node));
}

/** Images on all nodes, each by its folder. */
function images(): string[] {
  return ['n1', 'n2'].flatMap((node) => {
    const top = join(home.dir, 'nodes', node, 'images');
    if (!existsSync(top)) return [];
    return readdirSync(top, { recursive: true })
      .map(String)
      .filter((path) => path.split('/').length === 3)
      .map((path) => join(node, path));
  });
}

/** @param nodes that are alive: what is left on another goes when that is started again */
async function nothingKept(nodes = ['n1', 'n2']): Promise<void> {
  await until(images, { is: (found) => found.length === 0, timeoutMs: 15_000 });
  for (const node of nodes) {
    for (const part of ['checkpoints', 'resuming', 'frozen']) {
      const folder = join(home.dir, 'nodes', node, part);
      expect(existsSync(folder) ? readdirSync(folder) : [], part).toEqual([]);
    }
  }
}

async function why(job: string): Promise<string> {
  return (await home.omx(['why', job])).stdout;
}

describe('a checkpoint', () => {
  test('by the clock lets a job go on elsewhere when its node dies, as if nothing had been', here, async () => {
    await twoNodes();
    const job = await startCounting(['--checkpoint-every', '1s']);
    const node = await nodeOf(job);
    // The second image takes the place of the first.
    const [first] = await until(images, { is: (found) => found.length > 0, timeoutMs: 15_000 });
    await until(images, { is: (found) => found.length === 1 && found[0] !== first, timeoutMs: 15_000 });
    await crash(node);
    await until(async () => (await jobOf(home, job)).attempt === 2, { timeoutMs: 30_000 });
    expect(await nodeOf(job)).not.toBe(node);
    open(join(home.work, 'finish'));
    expect(await waitFor(home, job)).toBe(0);
    expect(await logsOf(home, job)).toBe(counted);
    const ended = await jobOf(home, job);
    expect(ended).toMatchObject({ outcome: 'succeeded', attempt: 2, migrations: 0 });
    expect(cpuOf(ended)).toBeGreaterThan(0);
    expect(await why(job)).toMatch(new RegExp(`${job}#2 goes on at n[12] from the image`));
    await nothingKept([await nodeOf(job)]);
    await startNode(home, { name: node });
    await nothingKept();
  });

  test('is thawed again where the worker dies over it', here, async () => {
    const begun = join(home.work, 'thawing');
    const slow = `case "$*" in restore*/resuming/*) echo >${begun}; sleep 1;; esac`;
    const args = ['--lease', '3s'];
    const env = { OMX_CRIU: criuAfter(home.work, slow) };
    await startNode(home, { name: 'n1', args, env });
    await startNode(home, { name: 'n2', args, env });
    const job = await startCounting();
    expect(await home.omx(['checkpoint', job])).toMatchObject({ code: 0, stderr: '' });
    const node = await nodeOf(job);
    const other = node === 'n1' ? 'n2' : 'n1';
    await crash(node);
    await until(() => existsSync(begun), { timeoutMs: 30_000 });
    await killNow(workerPid(home, other));
    await startNode(home, { name: other });
    open(join(home.work, 'finish'));
    expect(await waitFor(home, job)).toBe(0);
    expect(await logsOf(home, job)).toBe(counted);
    expect(await jobOf(home, job)).toMatchObject({ outcome: 'succeeded', attempt: 2 });
    expect((await why(job)).match(/#2 goes on at n[12] from the image/g)).toHaveLength(1);
    await nothingKept([other]);
  });

  test('without another node is refused with the reason, and the job goes on', here, async () => {
    await startNode(home, { name: 'n1' });
    const job = await startCounting(['--checkpoint-every', '1s']);
    const { code, stderr } = await home.omx(['checkpoint', job]);
    expect(code).toBe(1);
    expect(stderr).toContain('there is no other node that could keep it');
    // Whoever asked for images by the clock learns it once.
    await until(async () => why(job), { is: (text) => text.includes('no image of it is kept'), timeoutMs: 10_000 });
    open(join(home.work, 'finish'));
    await waitFor(home, job);
    expect(await logsOf(home, job)).toBe(counted);
    expect((await why(job)).match(/no image of it is kept/g)).toHaveLength(1);
    await nothingKept();
  });

  test('in a folder that all nodes see needs no other node to keep it', here, async () => {
    const folder = join(home.work, 'images');
    await startNode(home, { name: 'n1', args: ['--image-dir', folder] });
    const job = await startCounting();
    for (const line of [5, 10]) {
      await hasPrinted(job, line);
      const { code, stdout } = await home.omx(['checkpoint', job]);
      expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining(`kept on ${folder}`) });
      expect(readdirSync(join(folder, String(job.split('.')[0]), '0'))).toHaveLength(1);
    }
    await startNode(home, { name: 'n2' });
    await crash('n1');
    await until(async () => (await jobOf(home, job)).attempt === 2, { timeoutMs: 30_000 });
    open(join(home.work, 'finish'));
    expect(await waitFor(home, job)).toBe(0);
    expect(await logsOf(home, job)).toBe(counted);
    expect(await why(job)).toMatch(new RegExp(`${job}#2 goes on at n2 from the image`));
    await until(() => readdirSync(folder), { is: (left) => left.length === 0 });
    await nothingKept(['n2']);
  });

  test('is not what a retry goes on from: it begins anew, and the image goes', here, async () => {
    await twoNodes();
    const job = await startCounting(['--retries', '1'], `${count}; exit 3`);
    expect(await home.omx(['checkpoint', job])).toMatchObject({ code: 0, stderr: '' });
    expect(images()).toHaveLength(1);
    open(join(home.work, 'finish'));
    expect(await waitFor(home, job)).toBe(1);
    expect(await jobOf(home, job)).toMatchObject({ exitCode: 3, attempt: 2 });
    expect(await logsOf(home, job)).toBe(counted);
    expect(await why(job)).not.toContain('from the image');
    await nothingKept();
  });

  test('goes with a cancelled job', here, async () => {
    await twoNodes();
    const job = await startCounting();
    expect(await home.omx(['checkpoint', job])).toMatchObject({ code: 0, stderr: '' });
    await home.omx(['cancel', job]);
    await waitFor(home, job);
    await nothingKept();
  });
});

test('a job that waits for its image can be cancelled at once', here, async () => {
  await startNode(home, { name: 'n1', args: ['--lease', '3s'] });
  const job = await startCounting();
  await startNode(home, { name: 'n2', args: ['--lease', '60s'] });
  expect(await home.omx(['checkpoint', job])).toMatchObject({ code: 0, stdout: expect.stringContaining('on n2') });
  await home.omx(['drain', 'n2']);
  await startNode(home, { name: 'n3', args: ['--lease', '3s'] });
  // It keeps the image, and does not send it.
  const keeper = workerPid(home, 'n2') ?? 0;
  process.kill(keeper, 'SIGSTOP');
  try {
    await crash('n1');
    const resuming = join(home.dir, 'nodes', 'n3', 'resuming', `${job}#2`);
    await until(() => existsSync(join(resuming, 'arrived')), { timeoutMs: 30_000 });
    await home.omx(['cancel', job]);
    await until(async () => (await jobOf(home, job)).state === 'cancelled', { timeoutMs: 10_000 });
    expect(await why(job)).not.toContain('from the beginning');
    await until(() => !existsSync(resuming));
  } finally {
    process.kill(keeper, 'SIGCONT');
  }
});

describe('a frozen job', () => {
  test('uses nothing, survives worker and shepherd, and goes on where it was', here, async () => {
    await startNode(home, { name: 'n1' });
    const job = await startCounting();
    const before = await freeze(job);
    await crash('n1');
    await startNode(home, { name: 'n1' });
    expect(await jobOf(home, job)).toMatchObject({ state: 'frozen', attempt: 1 });
    expect(await linesOf(job)).toBe(before);
    expect(await home.omx(['resume', job])).toMatchObject({ code: 0 });
    await hasPrinted(job, before + 1);
    await freeze(job);
    await home.omx(['resume', job]);
    open(join(home.work, 'finish'));
    expect(await waitFor(home, job)).toBe(0);
    expect(await logsOf(home, job)).toBe(counted);
    expect(await jobOf(home, job)).toMatchObject({ outcome: 'succeeded', attempt: 1 });
    await nothingKept();
  });

  test('leaves its slot to others, and waits for one when it is to go on', here, async () => {
    await startNode(home, { name: 'n1', slots: 1 });
    const job = await startCounting();
    await freeze(job);
    const folder = join(home.work, 'other');
    mkdirSync(folder);
    const other = `${await submit(home, [...fixed, '--cwd', folder, '--', 'bash', '-c', count])}.1`;
    await hasPrinted(other);
    await home.omx(['resume', job]);
    const third = `${await submit(home, [...fixed, '--', 'true'])}.1`;
    expect(await jobOf(home, job)).toMatchObject({ state: 'frozen' });
    open(join(folder, 'finish'));
    await waitFor(home, other);
    // It was asked for before the third, which waits for it.
    await until(async () => (await jobOf(home, job)).state === 'running', { timeoutMs: 15_000 });
    expect(await jobOf(home, third)).toMatchObject({ state: 'queued' });
    open(join(home.work, 'finish'));
    expect(await waitFor(home, job, third)).toBe(0);
    expect(await logsOf(home, job)).toBe(counted);
  });

  test('that is cancelled ends, with its output and usage', here, async () => {
    await startNode(home, { name: 'n1' });
    const job = await startCounting();
    const before = await freeze(job);
    await home.omx(['cancel', job]);
    await waitFor(home, job);
    const ended = await jobOf(home, job);
    expect(ended).toMatchObject({ state: 'cancelled', attempt: 1 });
    expect(cpuOf(ended)).toBeGreaterThan(0);
    expect(await linesOf(job)).toBe(before);
    await nothingKept();
  });

  test('stays its node’s when that is lost, until somebody says that the node is gone', here, async () => {
    await twoNodes();
    const job = await startCounting();
    await freeze(job);
    const node = await nodeOf(job);
    await crash(node);
    // Its jobs have been looked at by then.
    await until(async () => (await home.omx(['events'])).stdout, {
      is: (text) => text.includes('node-lost'),
      timeoutMs: 40_000,
    });
    expect(await jobOf(home, job)).toMatchObject({ state: 'frozen', attempt: 1, node });
    await home.omx(['nodes', '--forget', node]);
    await until(async () => (await jobOf(home, job)).attempt === 2, { timeoutMs: 20_000 });
    open(join(home.work, 'finish'));
    expect(await waitFor(home, job)).toBe(0);
    expect(await logsOf(home, job)).toBe(counted);
  });

  test('that cannot be frozen is paused, and says why', here, async () => {
    await startNode(home, { name: 'n1' });
    // A connection to nowhere of ours: what it holds cannot be put into an image.
    const job = await startCounting([], `exec 3<>/dev/udp/127.0.0.1/9; ${count}`);
    await home.omx(['pause', '--freeze', job]);
    await until(async () => (await jobOf(home, job)).state === 'paused', { timeoutMs: 15_000 });
    expect(await why(job)).toContain('is paused and keeps its memory');
    for (const words of [['resume'], ['pause', '--freeze'], ['resume']]) {
      await home.omx([...words, job]);
      const state = words[0] === 'resume' ? 'running' : 'paused';
      await until(async () => (await jobOf(home, job)).state === state, { timeoutMs: 15_000 });
    }
    open(join(home.work, 'finish'));
    expect(await waitFor(home, job)).toBe(0);
    expect(await logsOf(home, job)).toBe(counted);
  });
});

/** @returns how many lines it had printed */
async function freeze(job: string): Promise<number> {
  await home.omx(['pause', '--freeze', job]);
  await until(async () => (await jobOf(home, job)).state === 'frozen', { timeoutMs: 20_000 });
  const folder = join(home.dir, 'nodes', await nodeOf(job), 'frozen');
  await until(() => existsSync(folder) && readdirSync(folder).length > 0);
  // The record says so a moment before the original is dead.
  await until(async () => (await home.omx(['nodes', '--json'])).stdout.includes('"running":0'), { timeoutMs: 15_000 });
  return linesOf(job);
}

function cpuOf({ user, sys }: JobJson): number {
  return (user ?? Number.NaN) + (sys ?? Number.NaN);
}
