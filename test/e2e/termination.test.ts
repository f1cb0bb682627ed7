import { beforeAll, describe, expect, test } from 'vitest';

import { finish, isAlive, jobOf, jobsOf, linesOf, open, startNode, submit, traces, waitFor } from '../kit/batches.ts';
import { useHome } from '../kit/home.ts';
import { fixture } from '../kit/ran.ts';
import { until } from '../kit/until.ts';

const home = useHome({ shared: true });
beforeAll(async () => {
  await startNode(home, { slots: 4 });
});

async function cancel(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await home.omx(['cancel', ...args]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

async function gone(pid: number): Promise<void> {
  expect(pid).toBeGreaterThan(1);
  await until(() => !isAlive(pid), { timeoutMs: 3000 });
}

describe('omx cancel', () => {
  test('sends SIGTERM to every job of a batch', async () => {
    const dir = traces(home, 'batch');
    const id = await submit(home, ['--array', '1-3', '--', fixture('polite'), `${dir}/{}`]);
    await until(() => [1, 2, 3].every((job) => linesOf(`${dir}/${job}`).length === 1));
    await cancel(id, '--reason', 'the seed was wrong');
    expect(await waitFor(home, id)).toBe(1);
    for (const job of [1, 2, 3]) expect(linesOf(`${dir}/${job}`)).toEqual(['ready', 'TERM']);
    expect(await jobsOf(home, id)).toMatchObject(
      [1, 2, 3].map(() => ({ state: 'cancelled', outcome: 'cancelled', exitCode: null, signal: null, attempt: 1 })),
    );
    expect((await home.omx(['status', id, '--json'])).json()).toMatchObject({
      state: 'cancelled',
      counts: { cancelled: 3, running: 0 },
    });
    expect((await home.omx(['why', id])).stdout).toContain('the seed was wrong');
  });

  test('ends the jobs it names and no others', async () => {
    const dir = traces(home, 'some');
    const id = await submit(home, ['--array', '11-14', '--', fixture('latch'), dir]);
    await until(() => linesOf(`${dir}/started`).length === 4);
    await cancel(`${id}.12`);
    expect(await waitFor(home, `${id}.12`)).toBe(1);
    await cancel(`${id}.13-14`);
    expect(await waitFor(home, `${id}.13-14`)).toBe(1);
    expect(await jobOf(home, `${id}.11`)).toMatchObject({ state: 'running' });
    open(`${dir}/go`);
    expect(await waitFor(home, `${id}.11`)).toBe(0);
    expect((await jobsOf(home, id)).map((job) => job.state)).toEqual([
      'succeeded',
      'cancelled',
      'cancelled',
      'cancelled',
    ]);
    expect(linesOf(`${dir}/done`)).toEqual(['11 1']);
  });

  test('sends SIGKILL after --grace', async () => {
    const dir = traces(home, 'grace');
    const id = await submit(home, ['--', fixture('stubborn'), `${dir}/ran`]);
    const [ready] = await until(() => linesOf(`${dir}/ran`), { is: (lines) => lines.length === 1 });
    const before = Date.now();
    await cancel(id, '--grace', '700ms');
    await until(() => linesOf(`${dir}/ran`).length === 2);
    expect(await waitFor(home, id)).toBe(1);
    expect(linesOf(`${dir}/ran`)).toEqual([ready, 'TERM']);
    await gone(Number(ready?.split(' ')[1]));
    const job = await jobOf(home, id);
    expect(job).toMatchObject({ outcome: 'cancelled' });
    expect(Date.parse(job.endedAt ?? '') - before).toBeGreaterThanOrEqual(700);
    expect(Date.parse(job.endedAt ?? '') - before).toBeLessThan(9000);
  });

  test('keeps the grace the batch was submitted with', async () => {
    const dir = traces(home, 'own-grace');
    const id = await submit(home, ['--grace', '200ms', '--', fixture('stubborn'), `${dir}/ran`]);
    await until(() => linesOf(`${dir}/ran`).length === 1);
    const before = Date.now();
    await cancel(id);
    expect(await waitFor(home, id)).toBe(1);
    expect(Date.parse((await jobOf(home, id)).endedAt ?? '') - before).toBeLessThan(5000);
  });

  test('ends what left the session and lost its parents', async () => {
    const dir = traces(home, 'escape');
    const id = await submit(home, ['--', fixture('escape'), `${dir}/pid`]);
    const [escaped] = await until(() => linesOf(`${dir}/pid`), { is: (lines) => lines.length === 1 });
    expect(isAlive(Number(escaped))).toBe(true);
    await cancel(id);
    expect(await waitFor(home, id)).toBe(1);
    await gone(Number(escaped));
  });

  test('ends what left the session and ignores SIGTERM', async () => {
    const dir = traces(home, 'escape-stubborn');
    const id = await submit(home, [
      '--',
      'sh',
      '-c',
      'setsid sh -c \'"$0" "$1" & \' "$0" "$1"; exec sleep 300',
      fixture('stubborn'),
      `${dir}/ran`,
    ]);
    const [ready] = await until(() => linesOf(`${dir}/ran`), { is: (lines) => lines.length === 1 });
    await cancel(id, '--grace', '300ms');
    expect(await waitFor(home, id)).toBe(1);
    await gone(Number(ready?.split(' ')[1]));
  });

  test('never starts jobs that wait', async () => {
    const dir = traces(home, 'waiting');
    const id = await submit(home, ['--array', '1-20%1', '--', fixture('latch'), dir]);
    await until(() => linesOf(`${dir}/started`).length === 1);
    await cancel(`${id}.2-20`);
    expect(await jobsOf(home, `${id}.2-20`)).toMatchObject(
      Array.from({ length: 19 }, () => ({ state: 'cancelled', attempt: 0, startedAt: null, node: null })),
    );
    open(`${dir}/go`);
    expect(await waitFor(home, id)).toBe(1);
    expect(linesOf(`${dir}/done`)).toEqual(['1 1']);
    expect(linesOf(`${dir}/started`)).toHaveLength(1);
  });

  test('leaves the place of a job that waited to the next', async () => {
    const dir = traces(home, 'places');
    const id = await submit(home, ['--array', '1-5%1', '--', fixture('latch'), dir]);
    await until(() => linesOf(`${dir}/started`).length === 1);
    await cancel(`${id}.2,4`);
    open(`${dir}/go`);
    expect(await waitFor(home, `${id}.1,3,5`)).toBe(0);
    expect(linesOf(`${dir}/done`)).toEqual(['1 1', '3 1', '5 1']);
  });

  test('ends a batch that is held, at once', async () => {
    const id = await submit(home, ['--hold', '--array', '1-100000', '--', 'true']);
    await cancel(id);
    expect((await home.omx(['status', id, '--json'])).json()).toMatchObject({
      state: 'cancelled',
      counts: { cancelled: 100_000, held: 0 },
    });
    expect((await home.omx(['wait', id])).code).toBe(1);
  });

  test('of jobs that have ended changes nothing', async () => {
    const id = await finish(home, ['--', 'true']);
    expect(await cancel(id)).toMatch(/nothing/);
    expect(await jobOf(home, id)).toMatchObject({ state: 'succeeded' });
    expect((await home.omx(['cancel', id, '--json'])).json()).toEqual({ cancelled: 0, ending: 0 });
  });
});

describe('omx wait', () => {
  test('says by its exit code how it ended', async () => {
    const [well, ill] = [
      await submit(home, ['--', 'true']),
      await submit(home, ['--array', '1-2', '--', 'sh', '-c', 'exit $((OMX_JOB - 1))']),
    ];
    expect((await home.omx(['wait', well])).code).toBe(0);
    expect((await home.omx(['wait', ill])).code).toBe(1);
    expect((await home.omx(['wait', `${ill}.1`])).code).toBe(0);
    expect((await home.omx(['wait', well, ill])).code).toBe(1);
    const unknown = await home.omx(['wait', 'b99999']);
    expect(unknown.code).toBe(4);
    expect(unknown.stderr).toContain('b99999');
    expect((await home.omx(['wait', 'b1!'])).code).toBe(2);
  });

  test('gives up with 124 after --timeout and with 130 at Ctrl-C; the job goes on', async () => {
    const dir = traces(home, 'wait');
    const id = await submit(home, ['--', fixture('latch'), dir]);
    await until(() => linesOf(`${dir}/started`).length === 1);
    const late = await home.omx(['wait', id, '--timeout', '200ms', '--json']);
    expect(late.code).toBe(124);
    expect(JSON.parse(late.stderr).error).toMatchObject({
      code: expect.any(String),
      message: expect.stringContaining(id),
      hint: expect.any(String),
    });
    const waiting = home.omxSpawn(['wait', id, '--progress']);
    await until(() => waiting.stderr().includes(id));
    waiting.kill('SIGINT');
    expect(await waiting.ended).toMatchObject({ code: 130, stderr: expect.stringContaining(`omx wait ${id}`) });
    expect(await jobOf(home, id)).toMatchObject({ state: 'running', attempt: 1 });
    open(`${dir}/go`);
    expect(await waitFor(home, id)).toBe(0);
  });
});
