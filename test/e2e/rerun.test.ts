import { readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';

import { finish, jobOf, jobsOf, linesOf, open, startNode, traces, waitFor } from '../kit/batches.ts';
import { useHome } from '../kit/home.ts';
import { fixture } from '../kit/ran.ts';

const home = useHome({ shared: true });
beforeAll(async () => {
  await startNode(home, { slots: 2 });
});

async function rerun(...args: string[]): Promise<any> {
  const { code, stderr, json } = await home.omx(['rerun', '--json', ...args]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return json();
}

/** Each job notes that it ran; job 3 fails until the file `mended` is there, job 5 until `mended-too`. */
const program =
  'echo "$OMX_JOB $OMX_ATTEMPT" >>"$1/ran"; case $OMX_JOB in 3) [ -e "$1/mended" ] ;; 5) [ -e "$1/mended-too" ] || exit 9 ;; esac';

test('failed jobs run again as new attempts, and nothing that is done', async () => {
  const dir = traces(home, 'failed');
  const id = await finish(home, ['--array', '1-6', '--', 'sh', '-c', program, '-', dir]);
  expect((await jobsOf(home, id, '--failed')).map((job) => job.index)).toEqual([3, 5]);
  open(`${dir}/mended`);
  expect(await rerun(id)).toEqual({ id, jobs: 2 });
  expect(await waitFor(home, id)).toBe(1);
  expect((await jobsOf(home, id)).map((job) => [job.index, job.outcome, job.exitCode, job.attempt])).toEqual([
    ...[1, 2].map((index) => [index, 'succeeded', 0, 1]),
    [3, 'succeeded', 0, 2],
    [4, 'succeeded', 0, 1],
    [5, 'exited', 9, 2],
    [6, 'succeeded', 0, 1],
  ]);
  open(`${dir}/mended-too`);
  // Without a selector the newest batch is meant.
  expect(await rerun()).toEqual({ id, jobs: 1 });
  expect(await waitFor(home, id)).toBe(0);
  expect(await jobOf(home, `${id}.5`)).toMatchObject({ outcome: 'succeeded', attempt: 3 });
  expect(linesOf(`${dir}/ran`).sort()).toEqual(['1 1', '2 1', '3 1', '3 2', '4 1', '5 1', '5 2', '5 3', '6 1']);
  expect((await home.omx(['status', id, '--json'])).json()).toMatchObject({
    state: 'succeeded',
    counts: { succeeded: 6, failed: 0 },
  });
  expect(await rerun(id)).toEqual({ id, jobs: 0 });
  expect((await home.omx(['why', `${id}.5`])).stdout).toMatch(/\b9\b/);
});

test('jobs named one by one run again, done or not; a running one does not', async () => {
  const dir = traces(home, 'named');
  const id = await finish(home, [
    '--array',
    '11-14',
    '--',
    'sh',
    '-c',
    'echo "$OMX_JOB $OMX_ATTEMPT" >>"$1/ran"',
    '-',
    dir,
  ]);
  expect(await rerun(`${id}.12-13`)).toEqual({ id, jobs: 2 });
  expect(await waitFor(home, id)).toBe(0);
  expect(linesOf(`${dir}/ran`).sort()).toEqual(['11 1', '12 1', '12 2', '13 1', '13 2', '14 1']);
  expect(await rerun(`${id}.11-14`, '--failed')).toEqual({ id, jobs: 0 });
  const unknown = await home.omx(['rerun', `${id}.99`]);
  expect(unknown.code).toBe(4);
});

test('--on chooses by the way jobs ended', async () => {
  const dir = traces(home, 'causes');
  const ends = ['exit 0', 'exit 1', 'exit 42', 'kill -KILL $$', 'exec sleep 30', 'exit 137'];
  const lines = [...ends.map((end) => `sh -c 'echo $OMX_JOB >>${dir}/ran; ${end}'`), '/no/such/program'];
  writeFileSync(`${dir}/commands`, `${lines.join('\n')}\n`);
  const id = await finish(home, ['--commands', `${dir}/commands`, '--time', '300ms']);
  expect((await jobsOf(home, id)).map((job) => job.outcome)).toEqual([
    'succeeded',
    'exited',
    'exited',
    'signalled',
    'timed-out',
    'exited',
    'not-started',
  ]);
  const attempts = [1, 1, 1, 1, 1, 1, 1];
  const cases: [cause: string, jobs: number[]][] = [
    ['exit=42', [3]],
    ['exit=1,42', [2, 3]],
    ['signal', [4]],
    ['exit=137', [4, 6]],
    ['timeout', [5]],
    ['not-started', [7]],
    ['lost', []],
    ['exit', [2, 3, 6]],
    ['timeout,signal=9', [4, 5]],
    ['succeeded', [1]],
    ['any', [2, 3, 4, 5, 6, 7]],
  ];
  for (const [cause, jobs] of cases) {
    expect(await rerun(id, '--on', cause), cause).toEqual({ id, jobs: jobs.length });
    for (const job of jobs) attempts[job - 1] = (attempts[job - 1] ?? 0) + 1;
    await waitFor(home, id);
    expect(
      (await jobsOf(home, id)).map((job) => job.attempt),
      cause,
    ).toEqual(attempts);
  }
  for (const [at, count] of attempts.slice(0, 6).entries())
    expect(linesOf(`${dir}/ran`).filter((line) => line === String(at + 1))).toHaveLength(count);
  const refused = await home.omx(['rerun', id, '--on', 'tiredness']);
  expect(refused.code).toBe(2);
  expect(refused.stderr).toContain('tiredness');
});

test('--set gives the jobs another limit, from then on', async () => {
  const slow = await finish(home, [
    '--time',
    '200ms',
    '--array',
    '1-2',
    '--',
    'sh',
    '-c',
    '[ $OMX_JOB = 1 ] || sleep 0.7',
  ]);
  expect((await jobsOf(home, slow)).map((job) => job.outcome)).toEqual(['succeeded', 'timed-out']);
  expect(await rerun(slow, '--set', 'time=30s')).toEqual({ id: slow, jobs: 1 });
  expect(await waitFor(home, slow)).toBe(0);
  expect(await rerun(`${slow}.2`)).toEqual({ id: slow, jobs: 1 });
  expect(await waitFor(home, slow)).toBe(0);
  expect(await jobOf(home, `${slow}.2`)).toMatchObject({ outcome: 'succeeded', attempt: 3 });

  const large = await finish(home, ['--mem', '120MiB', '--', fixture('hog'), '300', '3']);
  expect(await jobOf(home, large)).toMatchObject({ outcome: 'oom' });
  await rerun(large, '--set', 'mem=4GiB');
  expect(await waitFor(home, large)).toBe(0);

  const dir = traces(home, 'set-retries');
  const flaky = await finish(home, ['--', fixture('flaky'), `${dir}/ran`, '4', '1']);
  await rerun(flaky, '--set', 'retries=2', '--set', 'backoff=10ms');
  expect(await waitFor(home, flaky)).toBe(0);
  expect(linesOf(`${dir}/ran`)).toEqual(['1 1', '1 2', '1 3', '1 4']);

  const refused = await home.omx(['rerun', flaky, '--set', 'name=x']);
  expect(refused.code).toBe(2);
  expect(refused.stderr).toContain('name');
});

test('-- gives the failed jobs new arguments', async () => {
  const id = await finish(home, ['--array', '1-3', '--', 'sh', '-c', '[ $1 != 2 ]', '-', '{}']);
  expect(await rerun(id, '--', '-c', 'echo "new: $*"', '-', 'a b', '{}')).toEqual({ id, jobs: 1 });
  expect(await waitFor(home, id)).toBe(0);
  expect((await jobsOf(home, id)).map((job) => job.argv)).toEqual([
    ['sh', '-c', '[ $1 != 2 ]', '-', '1'],
    ['sh', '-c', 'echo "new: $*"', '-', 'a b', '2'],
    ['sh', '-c', '[ $1 != 2 ]', '-', '3'],
  ]);
  expect((await home.omx(['logs', `${id}.2`])).stdout).toBe('new: a b 2\n');
});

test('--as-new makes a batch of its own of them', async () => {
  const dir = traces(home, 'as-new');
  const id = await finish(home, [
    '--name',
    'first',
    '--env',
    'COLOUR=red',
    '--array',
    '1-6',
    '--',
    'sh',
    '-c',
    `echo $COLOUR >>"$1/env"; ${program}`,
    '-',
    dir,
  ]);
  open(`${dir}/mended`);
  open(`${dir}/mended-too`);
  const made = await rerun(id, '--as-new');
  expect(made).toEqual({ id: expect.stringMatching(/^b\d+$/), jobs: 2 });
  expect(made.id).not.toBe(id);
  await waitFor(home, made.id);
  expect((await jobsOf(home, made.id)).map((job) => [job.index, job.attempt, job.state])).toEqual([
    [1, 1, 'succeeded'],
    [2, 1, 'succeeded'],
  ]);
  expect((await jobsOf(home, id)).map((job) => job.attempt)).toEqual([1, 1, 1, 1, 1, 1]);
  expect((await jobsOf(home, id, '--failed')).map((job) => job.index)).toEqual([3, 5]);
  expect(linesOf(`${dir}/env`)).toEqual(Array.from({ length: 8 }, () => 'red'));
});

test('--export writes commands that give the same argument lists again', async () => {
  const awkward = ['', 'a  b', `it's "so"`, '$HOME `id` \\ *', 'tab\there', 'naïve ☃', '--flag', '#no comment', '~'];
  const id = await finish(home, ['--array', '1-4', '--', 'sh', '-c', 'exit $(($1 % 2))', '-', '{}', ...awkward]);
  const file = `${home.work}/again`;
  expect(await rerun(id, '--export', file)).toMatchObject({ id, jobs: 2 });
  expect((await jobsOf(home, id)).map((job) => job.attempt)).toEqual([1, 1, 1, 1]);
  const again = await finish(home, ['--commands', file]);
  const failed = (await jobsOf(home, id, '--failed')).map((job) => job.argv);
  expect(failed.map((argv) => argv[4])).toEqual(['1', '3']);
  expect((await jobsOf(home, again)).map((job) => job.argv)).toEqual(failed);

  const some = await home.omx(['rerun', `${id}.2-3`, '--export', '-']);
  expect(some.code).toBe(0);
  const third = await finish(home, ['--commands', '-'], { input: some.stdout });
  expect((await jobsOf(home, third)).map((job) => job.argv)).toEqual(
    (await jobsOf(home, `${id}.2-3`)).map((job) => job.argv),
  );
  expect(readFileSync(file, 'utf8').split('\n')).toHaveLength(3);
});

test('rows of the new attempt take the place of the old', async () => {
  const dir = traces(home, 'rows');
  const command = 'if [ -e "$1/mended" ]; then echo "loss=$OMX_JOB"; else echo "loss=-1"; [ $OMX_JOB = 1 ]; fi';
  const id = await finish(home, ['--parse', 'keyvalue', '--array', '1-3', '--', 'sh', '-c', command, '-', dir]);
  const losses = async (): Promise<number[]> =>
    (await home.omx(['results', id, '--json'])).jsonLines().map((row) => row.loss);
  expect(await losses()).toEqual([-1, -1, -1]);
  open(`${dir}/mended`);
  await rerun(id);
  expect(await waitFor(home, id)).toBe(0);
  expect(await losses()).toEqual([-1, 2, 3]);
});
