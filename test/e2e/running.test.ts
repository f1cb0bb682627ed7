import { beforeAll, describe, expect, test } from 'vitest';

import { finish, jobOf, jobsOf, linesOf, logsOf, open, startNode, submit, traces, waitFor } from '../kit/batches.ts';
import { useHome } from '../kit/home.ts';
import { fixture } from '../kit/ran.ts';
import { until } from '../kit/until.ts';

const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

describe('on a node of two slots', () => {
  const home = useHome({ shared: true });
  beforeAll(async () => {
    await startNode(home, { name: 'n1', slots: 2 });
  });

  test('a job that succeeds is told in every field', async () => {
    const before = Date.now();
    const id = await finish(home, ['--', 'sh', '-c', 'sleep 0.2']);
    const [job, ...others] = await jobsOf(home, id);
    expect(others).toEqual([]);
    expect(job).toEqual({
      id: `${id}.1`,
      index: 1,
      state: 'succeeded',
      outcome: 'succeeded',
      exitCode: 0,
      signal: null,
      attempt: 1,
      node: 'n1',
      launcher: 'plain',
      queuedAt: expect.stringMatching(time),
      startedAt: expect.stringMatching(time),
      endedAt: expect.stringMatching(time),
      real: expect.any(Number),
      user: expect.any(Number),
      sys: expect.any(Number),
      maxRss: expect.any(Number),
      migrations: 0,
      argv: ['sh', '-c', 'sleep 0.2'],
    });
    const times = [
      before,
      ...[job?.queuedAt, job?.startedAt, job?.endedAt].map((at) => Date.parse(at ?? '')),
      Date.now(),
    ];
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(job?.real).toBeGreaterThanOrEqual(0.2);
    expect(job?.real).toBeCloseTo((Date.parse(job?.endedAt ?? '') - Date.parse(job?.startedAt ?? '')) / 1000, 1);
  });

  test.for([
    { what: 'exits with a code', argv: ['sh', '-c', 'exit 7'], outcome: 'exited', exitCode: 7, signal: null },
    { what: 'exits with 255', argv: ['sh', '-c', 'exit 255'], outcome: 'exited', exitCode: 255, signal: null },
    { what: 'is killed', argv: ['sh', '-c', 'kill -KILL $$'], outcome: 'signalled', exitCode: null, signal: 'SIGKILL' },
    { what: 'aborts', argv: ['sh', '-c', 'kill -ABRT $$'], outcome: 'signalled', exitCode: null, signal: 'SIGABRT' },
    // The same number by exit(3) is no signal.
    { what: 'exits with 137', argv: ['sh', '-c', 'exit 137'], outcome: 'exited', exitCode: 137, signal: null },
  ])('a job that $what', async ({ argv, outcome, exitCode, signal }) => {
    const id = await finish(home, ['--', ...argv]);
    expect(await jobOf(home, `${id}.1`)).toMatchObject({
      state: 'failed',
      outcome,
      exitCode,
      signal,
      attempt: 1,
      launcher: 'plain',
    });
    expect((await home.omx(['status', id, '--json'])).json()).toMatchObject({
      state: 'failed',
      total: 1,
      counts: { failed: 1, succeeded: 0 },
    });
  });

  test.for([
    { what: 'its program is not there', args: ['--', '/no/such/program'] },
    { what: 'its program is no program', args: ['--', '/etc/passwd'] },
    { what: 'its folder is not there', args: ['--cwd', '/no/such/folder', '--', 'true'] },
    { what: 'its standard input is not there', args: ['--stdin', '/no/such/file', '--', 'true'] },
  ])('a job is not started where $what', async ({ args }) => {
    const id = await finish(home, args);
    expect(await jobOf(home, id)).toMatchObject({
      ...{ state: 'failed', outcome: 'not-started', exitCode: null, signal: null },
      ...{ startedAt: null, real: null, user: null, sys: null, maxRss: null, launcher: null },
    });
    // A refusal leaves the node as it was.
    expect(await jobOf(home, await finish(home, ['--', 'true']))).toMatchObject({ outcome: 'succeeded' });
  });

  test('usage is that of the program and its children, by their own account', async () => {
    const id = await finish(home, ['--', fixture('burn'), '250000']);
    const own = [...(await logsOf(home, id)).matchAll(/(\d+)m([\d.]+)s (\d+)m([\d.]+)s/g)].map(
      ([, userMin, user, sysMin, sys]) => ({
        user: Number(userMin) * 60 + Number(user),
        sys: Number(sysMin) * 60 + Number(sys),
      }),
    );
    expect(own).toHaveLength(2);
    const [self, children] = own as [{ user: number; sys: number }, { user: number; sys: number }];
    expect(children.user).toBeGreaterThan(self.user / 3);
    const job = await jobOf(home, id);
    const total = self.user + children.user + self.sys + children.sys;
    expect(Math.abs(Number(job.user) - self.user - children.user) / total).toBeLessThan(0.2);
    expect(Math.abs(Number(job.user) + Number(job.sys) - total) / total).toBeLessThan(0.2);
    expect(job.real).toBeGreaterThan(total * 0.8);
    expect((await home.omx(['status', id, '--json'])).json()).toMatchObject({ user: job.user, sys: job.sys });
  });

  test('memory is the largest resident set, in bytes', async () => {
    const mib = 2 ** 20;
    const [small, large] = [
      await jobOf(home, await finish(home, ['--', fixture('hog'), '1'])),
      await jobOf(home, await finish(home, ['--', fixture('hog'), '200'])),
    ];
    const grown = Number(large.maxRss) - Number(small.maxRss);
    expect(grown).toBeGreaterThan(180 * mib);
    expect(grown).toBeLessThan(240 * mib);
  });

  test('300 jobs are all counted once', async () => {
    const dir = traces(home, 'counted');
    const id = await finish(home, [
      '--array',
      '1-300',
      '--',
      'sh',
      '-c',
      'echo $OMX_JOB >>"$1/ran"; [ $((OMX_JOB % 10)) -ne 0 ]',
      '-',
      dir,
    ]);
    expect((await home.omx(['status', id, '--json'])).json()).toMatchObject({
      state: 'failed',
      total: 300,
      counts: { held: 0, queued: 0, running: 0, frozen: 0, succeeded: 270, failed: 30, cancelled: 0, lost: 0 },
    });
    const numbers = Array.from({ length: 300 }, (_, at) => at + 1);
    expect((await jobsOf(home, id)).map((job) => job.index)).toEqual(numbers);
    expect((await jobsOf(home, id, '--failed')).map((job) => job.index)).toEqual(
      numbers.filter((number) => number % 10 === 0),
    );
    expect(
      linesOf(`${dir}/ran`)
        .map(Number)
        .sort((a, b) => a - b),
    ).toEqual(numbers);
  });

  test('a job that takes both slots runs alone', async () => {
    const dir = traces(home, 'cpus');
    const wide = await submit(home, ['--array', '1-5', '--cpus', '2', '--', fixture('crowd'), dir, 'wide{}']);
    const narrow = await submit(home, ['--array', '1-10', '--', fixture('crowd'), dir, 'narrow{}']);
    expect(await waitFor(home, wide, narrow)).toBe(0);
    const seen = linesOf(`${dir}/seen`).map((line) => line.split(', '));
    expect(seen).toHaveLength(30);
    expect(seen.filter((names) => names.length > 1 && names.some((name) => name.startsWith('wide')))).toEqual([]);
    // Without this the fixture would prove nothing.
    expect(Math.max(...seen.map((names) => names.length))).toBe(2);
  });
});

describe('on a node of one slot', () => {
  const home = useHome({ shared: true });
  beforeAll(async () => {
    await startNode(home, { name: 'n1', slots: 1 });
  });

  test('higher priorities go first', async () => {
    // A node that has learnt that jobs are short must not take others ahead because of it.
    await finish(home, ['--array', '1-30', '--', 'true']);
    const dir = traces(home, 'priorities');
    const note = (name: string): string[] => ['--', 'sh', '-c', 'echo "$1" >>"$2/order"', '-', name, dir];
    await submit(home, ['--', fixture('latch'), dir]);
    await until(() => linesOf(`${dir}/started`).length === 1);
    await submit(home, ['--priority', '-5', '--array', '1-2', ...note('low')]);
    await submit(home, note('middle'));
    await submit(home, ['--priority', '7', '--array', '1-2', ...note('high')]);
    await submit(home, ['--priority', '100', ...note('highest')]);
    open(`${dir}/go`);
    expect(await waitFor(home, 'all')).toBe(0);
    expect(linesOf(`${dir}/order`)).toEqual(['highest', 'high', 'high', 'middle', 'low', 'low']);
  });

  test('--order index, reverse and random', async () => {
    const dir = traces(home, 'orders');
    const run = async (order: string): Promise<number[]> => {
      await finish(home, [
        '--order',
        order,
        '--array',
        '1-25',
        '--',
        'sh',
        '-c',
        'echo $OMX_JOB >>"$1"',
        '-',
        `${dir}/${order}`,
      ]);
      return linesOf(`${dir}/${order}`).map(Number);
    };
    const rising = Array.from({ length: 25 }, (_, at) => at + 1);
    expect(await run('index')).toEqual(rising);
    expect(await run('reverse')).toEqual(rising.toReversed());
    const random = await run('random');
    expect(random).not.toEqual(rising);
    expect(random).not.toEqual(rising.toReversed());
    expect([...random].sort((a, b) => a - b)).toEqual(rising);
  });

  test('--order longest goes by the run before', async () => {
    const dir = traces(home, 'longest');
    const command = [
      '--name',
      'lengths',
      '--order',
      'longest',
      '--param',
      'S=0.1,0.5,0.3',
      '--',
      'sh',
      '-c',
      'echo "$1" >>"$2"; sleep "$1"',
      '-',
      '{S}',
    ];
    await finish(home, [...command, `${dir}/first`]);
    expect(linesOf(`${dir}/first`)).toEqual(['0.1', '0.5', '0.3']);
    await finish(home, [...command, `${dir}/second`]);
    expect(linesOf(`${dir}/second`)).toEqual(['0.5', '0.3', '0.1']);
  });
});

describe('on a node of five slots', () => {
  const home = useHome({ shared: true });
  beforeAll(async () => {
    await startNode(home, { name: 'n1', slots: 5 });
  });

  test('a throttled batch never has more jobs at once', async () => {
    const dir = traces(home, 'throttled');
    const id = await finish(home, ['--array', '1-30%3', '--', fixture('crowd'), dir, 'job{}']);
    const atOnce = linesOf(`${dir}/seen`).map((line) => line.split(', ').length);
    expect(atOnce).toHaveLength(60);
    expect(Math.max(...atOnce)).toBe(3);
    expect((await home.omx(['status', id, '--json'])).json()).toMatchObject({ counts: { succeeded: 30 } });
  });

  test('places of a throttled batch are free for others', async () => {
    const dir = traces(home, 'beside');
    const throttled = await submit(home, ['--array', '1-4%2', '--', fixture('latch'), dir]);
    await until(() => linesOf(`${dir}/started`).length === 2);
    const other = traces(home, 'other');
    const free = await submit(home, ['--array', '1-3', '--', fixture('latch'), other]);
    await until(() => linesOf(`${other}/started`).length === 3);
    expect(linesOf(`${dir}/started`)).toHaveLength(2);
    open(`${other}/go`);
    open(`${dir}/go`);
    expect(await waitFor(home, throttled, free)).toBe(0);
  });
});
