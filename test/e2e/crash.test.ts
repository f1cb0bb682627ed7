import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { expect, test } from 'vitest';

import {
  isAlive,
  jobOf,
  jobsOf,
  killNow,
  linesOf,
  logsOf,
  open,
  serverPid,
  shepherdPid,
  submit,
  traces,
  waitFor,
  workerPid,
} from '../kit/batches.ts';
import { type TestHome, useHome } from '../kit/home.ts';
import { processesOf } from '../kit/left-behind.ts';
import { fixture } from '../kit/ran.ts';
import { until } from '../kit/until.ts';

const home = useHome();

/** The node that the first command has started. */
function nodeName({ dir }: TestHome): string {
  const [name, ...others] = readdirSync(`${dir}/nodes`);
  expect(others).toEqual([]);
  return name ?? '';
}

interface Begun {
  readonly index: number;
  readonly pid: number;
}

/** Jobs that have begun and wait for their latch. */
async function started(dir: string, count: number): Promise<Begun[]> {
  const lines = await until(() => linesOf(`${dir}/started`), {
    is: (found) => found.length === count,
    timeoutMs: 20_000,
  });
  return lines.map((line) => {
    const [index = 0, , pid = 0] = line.split(' ').map(Number);
    return { index, pid };
  });
}

async function running(id: string, count: number): Promise<void> {
  await until(async () => (await jobsOf(home, id, '--state', 'running')).length === count);
}

test('jobs outlive a killed worker and are adopted by the next', async () => {
  const dir = traces(home, 'worker');
  const id = await submit(home, [
    '--array',
    '1-3',
    '--',
    'sh',
    '-c',
    '"$1" "$2"; exec "$3" 100000',
    '-',
    fixture('latch'),
    dir,
    fixture('burn'),
    '{}',
  ]);
  const first = await started(dir, 2);
  await running(id, 2);
  const node = nodeName(home);
  const killed = workerPid(home, node);
  await killNow(killed);
  // One job ends while nobody watches.
  const [one, two] = first as [Begun, Begun];
  open(`${dir}/go.${one.index}`);
  await until(() => !isAlive(one.pid));
  expect(isAlive(two.pid)).toBe(true);
  expect((await home.omx(['status', id])).code).toBe(0);
  await until(() => workerPid(home, node), { is: (pid) => pid !== undefined && pid !== killed });
  await until(async () => (await jobOf(home, `${id}.${one.index}`)).state === 'succeeded');
  open(`${dir}/go`);
  expect(await waitFor(home, id)).toBe(0);
  expect(linesOf(`${dir}/done`).sort()).toEqual(['1 1', '2 1', '3 1']);
  for (const index of [one.index, two.index]) {
    const job = await jobOf(home, `${id}.${index}`);
    expect(job).toMatchObject({ outcome: 'succeeded', attempt: 1, node, launcher: 'plain' });
    const output = await logsOf(home, `${id}.${index}`);
    expect(output).toMatch(new RegExp(`^started ${index}\ndone ${index}\n`));
    const own = [...output.matchAll(/^(\d+)m([\d.]+)s/gm)].reduce(
      (sum, [, minutes, seconds]) => sum + Number(minutes) * 60 + Number(seconds),
      0,
    );
    expect(own).toBeGreaterThan(0.05);
    expect(Math.abs(Number(job.user) - own)).toBeLessThan(0.05 + own * 0.2);
  }
});

test('a worker told to (SIGUSR2) leaves its jobs to the next', async () => {
  const dir = traces(home, 'usr2');
  const id = await submit(home, ['--array', '1-2', '--', fixture('latch'), dir]);
  const jobs = await started(dir, 2);
  const node = nodeName(home);
  const left = Number(workerPid(home, node));
  process.kill(left, 'SIGUSR2');
  await until(() => !isAlive(left));
  for (const { pid } of jobs) expect(isAlive(pid)).toBe(true);
  expect((await home.omx(['up'])).code).toBe(0);
  open(`${dir}/go`);
  expect(await waitFor(home, id)).toBe(0);
  expect(linesOf(`${dir}/done`).sort()).toEqual(['1 1', '2 1']);
  expect(await jobsOf(home, id)).toMatchObject([{ attempt: 1 }, { attempt: 1 }]);
});

test('with a killed shepherd attempts are lost, not jobs, and no process stays', async () => {
  const dir = traces(home, 'shepherd');
  const id = await submit(home, ['--array', '1-2', '--', fixture('latch'), dir]);
  const jobs = await started(dir, 2);
  await running(id, 2);
  await killNow(shepherdPid(home, nodeName(home)));
  await started(dir, 4);
  for (const { pid } of jobs) await until(() => !isAlive(pid));
  open(`${dir}/go`);
  expect(await waitFor(home, id)).toBe(0);
  // No retry was asked for: the user is not charged for it.
  expect(await jobsOf(home, id)).toMatchObject([
    { outcome: 'succeeded', attempt: 2 },
    { outcome: 'succeeded', attempt: 2 },
  ]);
  expect(linesOf(`${dir}/done`).sort()).toEqual(['1 2', '2 2']);
  expect(linesOf(`${dir}/started`)).toHaveLength(4);
});

test('a job that dies with its node again and again is lost in the end', async () => {
  const dir = traces(home, 'lost');
  const id = await submit(home, ['--', fixture('latch'), dir]);
  for (let attempt = 1; attempt <= 5; attempt += 1) {
    await started(dir, attempt);
    await running(id, 1);
    await killNow(shepherdPid(home, nodeName(home)));
  }
  expect(await waitFor(home, id)).toBe(1);
  expect(await jobOf(home, id)).toMatchObject({ state: 'lost', outcome: 'lost', attempt: 5 });
  expect(linesOf(`${dir}/started`)).toHaveLength(5);
});

test('a batch survives the death of redis-server, and no job runs twice', async () => {
  const dir = traces(home, 'redis');
  const id = await submit(home, [
    '--array',
    '1-40',
    '--',
    'sh',
    '-c',
    'sleep 0.05; echo "$OMX_JOB $OMX_ATTEMPT" >>"$1/ran"',
    '-',
    dir,
  ]);
  await until(() => linesOf(`${dir}/ran`).length >= 8);
  const pid = serverPid(home);
  await killNow(pid);
  // What runs goes on; the next command brings the server back.
  expect(linesOf(`${dir}/ran`).length).toBeLessThan(40);
  expect(await waitFor(home, id)).toBe(0);
  expect(serverPid(home)).not.toBe(pid);
  expect((await home.omx(['status', id, '--json'])).json()).toMatchObject({
    state: 'succeeded',
    counts: { succeeded: 40 },
  });
  expect(linesOf(`${dir}/ran`).sort()).toEqual(Array.from({ length: 40 }, (_, at) => `${at + 1} 1`).sort());
});

test('a batch goes on when its submitter is killed', async () => {
  const dir = traces(home, 'submitter');
  const run = home.omxSpawn(['run', '--array', '1-4', '--', fixture('latch'), dir]);
  await started(dir, 2);
  run.kill('SIGKILL');
  expect((await run.ended).code).toBe(137);
  open(`${dir}/go`);
  expect(await waitFor(home, 'last')).toBe(0);
  expect(linesOf(`${dir}/done`).sort()).toEqual(['1 1', '2 1', '3 1', '4 1']);
});

test('after down and up the jobs of before run again, and none is missing', async () => {
  const dir = traces(home, 'down');
  const id = await submit(home, ['--array', '1-6', '--', fixture('latch'), dir]);
  const jobs = await started(dir, 2);
  await running(id, 2);
  expect((await home.omx(['down'])).code).toBe(0);
  for (const { pid } of jobs) expect(isAlive(pid)).toBe(false);
  expect(processesOf(home.dir)).toEqual([]);
  expect((await home.omx(['up'])).code).toBe(0);
  open(`${dir}/go`);
  expect(await waitFor(home, id)).toBe(0);
  const done = linesOf(`${dir}/done`).sort();
  expect(done.map((line) => line.split(' ')[0])).toEqual(['1', '2', '3', '4', '5', '6']);
  expect((await jobsOf(home, id)).map((job) => `${job.index} ${job.attempt}`)).toEqual(done);
  for (const { index } of jobs) expect(done).toContain(`${index} 2`);
});

test('when its home is removed, everything leaves', async () => {
  const dir = traces(home, 'removed');
  await submit(home, ['--', fixture('latch'), dir]);
  const [job] = await started(dir, 1);
  const node = nodeName(home);
  const pids = [workerPid(home, node), shepherdPid(home, node), serverPid(home), job?.pid].map(Number);
  expect(pids.filter((pid) => isAlive(pid))).toHaveLength(4);
  rmSync(home.dir, { recursive: true, maxRetries: 5 });
  await until(() => pids.filter((pid) => isAlive(pid)), { is: (left) => left.length === 0, timeoutMs: 20_000 });
  mkdirSync(home.work, { recursive: true });
});
