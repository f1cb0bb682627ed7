import { readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';

import { finish, isAlive, jobOf, jobsOf, linesOf, logsOf, startNode, submit, traces, waitFor } from '../kit/batches.ts';
import { useHome } from '../kit/home.ts';
import { fixture } from '../kit/ran.ts';

const home = useHome({ shared: true });
beforeAll(async () => {
  await startNode(home, { slots: 2 });
});

test('--time ends a job', async () => {
  const id = await finish(home, ['--time', '300ms', '--', 'sleep', '30']);
  const job = await jobOf(home, id);
  expect(job).toMatchObject({ state: 'failed', outcome: 'timed-out', exitCode: null, signal: null, attempt: 1 });
  expect(job.real).toBeGreaterThanOrEqual(0.3);
  expect(job.real).toBeLessThan(10);
});

test('a job within its --time is not disturbed', async () => {
  expect(await jobOf(home, await finish(home, ['--time', '30s', '--', 'sleep', '0.1']))).toMatchObject({
    outcome: 'succeeded',
  });
});

test('--time is kept where the program has its own way with SIGTERM', async () => {
  const dir = traces(home, 'time');
  const polite = await finish(home, ['--time', '300ms', '--', fixture('polite'), `${dir}/polite`]);
  const stubborn = await finish(home, [
    '--time',
    '300ms',
    '--grace',
    '400ms',
    '--',
    fixture('stubborn'),
    `${dir}/stubborn`,
  ]);
  expect(linesOf(`${dir}/polite`)).toEqual(['ready', 'TERM']);
  expect(await jobOf(home, polite)).toMatchObject({ outcome: 'timed-out', exitCode: null });
  const [ready, ...rest] = linesOf(`${dir}/stubborn`);
  expect(rest).toEqual(['TERM']);
  expect(isAlive(Number(ready?.split(' ')[1]))).toBe(false);
  const job = await jobOf(home, stubborn);
  expect(job).toMatchObject({ outcome: 'timed-out' });
  expect(job.real).toBeGreaterThanOrEqual(0.7);
});

test('--retries runs a failed job again under the next attempt number', async () => {
  const dir = traces(home, 'retries');
  const id = await finish(home, [
    '--retries',
    '3',
    '--backoff',
    '10ms',
    '--array',
    '1-2',
    '--',
    fixture('flaky'),
    `${dir}/well`,
    '3',
    '5',
  ]);
  expect(await jobsOf(home, id)).toMatchObject([
    { outcome: 'succeeded', attempt: 3 },
    { outcome: 'succeeded', attempt: 3 },
  ]);
  expect(linesOf(`${dir}/well`).sort()).toEqual(['1 1', '1 2', '1 3', '2 1', '2 2', '2 3']);
  const status = (await home.omx(['status', id, '--json'])).json();
  expect(status).toMatchObject({ state: 'succeeded', counts: { succeeded: 2, failed: 0 } });
});

test('--retries is a limit, and why tells every attempt', async () => {
  const dir = traces(home, 'used-up');
  const id = await finish(home, [
    '--retries',
    '2',
    '--backoff',
    '10ms',
    '--',
    fixture('flaky'),
    `${dir}/ran`,
    '9',
    '5',
  ]);
  expect(await jobOf(home, id)).toMatchObject({ outcome: 'exited', exitCode: 5, attempt: 3 });
  expect(linesOf(`${dir}/ran`)).toEqual(['1 1', '1 2', '1 3']);
  const why = await home.omx(['why', `${id}.1`]);
  expect(why.code).toBe(0);
  for (const attempt of [1, 2, 3]) expect(why.stdout).toMatch(new RegExp(`(#|attempt )${attempt}\\b`));
  expect(why.stdout).toMatch(/\b5\b/);
});

test('--retry-on chooses what is tried again', async () => {
  const cases: [rule: string, argv: string[], attempts: number][] = [
    ['exit=7', ['sh', '-c', 'exit 7'], 2],
    ['exit=7', ['sh', '-c', 'exit 5'], 1],
    ['exit=3,5', ['sh', '-c', 'exit 5'], 2],
    ['signal', ['sh', '-c', 'kill -KILL $$'], 2],
    ['signal', ['sh', '-c', 'exit 1'], 1],
    ['timeout', ['sleep', '30'], 2],
    ['exit=1|signal', ['sleep', '30'], 1],
    ['any', ['sleep', '30'], 2],
    ['not-started', ['/no/such/program'], 2],
    ['any', ['/no/such/program'], 1],
  ];
  const seen: typeof cases = [];
  const ids: string[] = [];
  for (const [rule, argv] of cases)
    ids.push(
      await submit(home, ['--retries', '1', '--retry-on', rule, '--backoff', '1ms', '--time', '200ms', '--', ...argv]),
    );
  expect(await waitFor(home, ...ids)).toBe(1);
  for (const [at, job] of (await jobsOf(home, ...ids)).entries())
    seen.push([cases[at]?.[0] ?? '', [...job.argv], job.attempt]);
  expect(seen).toEqual(cases);
});

test('--backoff keeps attempts apart', async () => {
  // Jitter takes at most half of it away; both pauses are the longest one.
  const id = await finish(home, ['--retries', '2', '--backoff', '600ms..600ms', '--', 'false']);
  const [job, status] = [await jobOf(home, id), (await home.omx(['status', id, '--json'])).json()];
  expect(job.attempt).toBe(3);
  expect(Date.parse(job.startedAt ?? '') - Date.parse(status.startedAt)).toBeGreaterThanOrEqual(600);
});

test.for([
  { limit: '2', jobs: 30, least: 3 },
  { limit: '10%', jobs: 30, least: 4 },
  { limit: '0', jobs: 10, least: 1 },
])('--max-fails $limit of $jobs cancels the rest', async ({ limit, jobs, least }) => {
  const id = await finish(home, [
    '--max-fails',
    limit,
    '--array',
    `1-${jobs}%1`,
    '--',
    'sh',
    '-c',
    'sleep 0.05; exit 1',
  ]);
  const status = (await home.omx(['status', id, '--json'])).json();
  expect(status.state).toBe('failed');
  expect(status.counts.failed + status.counts.cancelled).toBe(jobs);
  expect(status.counts.failed).toBeGreaterThanOrEqual(least);
  // Jobs that had begun when the last failure was counted.
  expect(status.counts.failed).toBeLessThan(least + 5);
});

test('--max-fails lets a batch end that has no more failures than that', async () => {
  const id = await finish(home, ['--max-fails', '3', '--array', '1-12', '--', 'sh', '-c', '[ $OMX_JOB -gt 3 ]']);
  expect((await home.omx(['status', id, '--json'])).json()).toMatchObject({
    counts: { succeeded: 9, failed: 3, cancelled: 0 },
  });
});

test('--mem ends a job that holds more', async () => {
  const over = await finish(home, ['--mem', '150MiB', '--', fixture('hog'), '400', '60']);
  expect(await jobOf(home, over)).toMatchObject({ state: 'failed', outcome: 'oom', exitCode: null, signal: null });
  const under = await finish(home, ['--mem', '2GiB', '--', fixture('hog'), '10']);
  expect(await jobOf(home, under)).toMatchObject({ outcome: 'succeeded' });
});

test('--max-output keeps the first bytes, and the program does not notice', async () => {
  const dir = traces(home, 'max-output');
  const program = 'i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i + 1)); done; echo trouble >&2; echo whole >"$1"';
  const id = await finish(home, ['--max-output', '1KiB', '--', 'sh', '-c', program, '-', `${dir}/ended`]);
  expect(await jobOf(home, id)).toMatchObject({ outcome: 'succeeded' });
  expect(linesOf(`${dir}/ended`)).toEqual(['whole']);
  const all = Array.from({ length: 5000 }, (_, at) => `line ${at}\n`).join('');
  expect(await logsOf(home, id)).toBe(all.slice(0, 1024));
  expect(await logsOf(home, id, '--err')).toBe('trouble\n');
});

test('--stdin gives every job the file from its beginning', async () => {
  const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, at) => (at * 7) % 256));
  writeFileSync(`${home.work}/input`, bytes);
  const id = await finish(home, ['--stdin', 'input', '--array', '1-3', '--', 'sh', '-c', 'cat >"copy$OMX_JOB"']);
  expect(await jobsOf(home, id, '--state', 'succeeded')).toHaveLength(3);
  for (const copy of [1, 2, 3]) expect(readFileSync(`${home.work}/copy${copy}`).equals(bytes)).toBe(true);
  const none = await finish(home, ['--', 'cat']);
  expect(await jobOf(home, none)).toMatchObject({ outcome: 'succeeded' });
  expect(await logsOf(home, none)).toBe('');
});
