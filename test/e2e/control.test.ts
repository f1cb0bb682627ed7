import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';

import { finish, isAlive, jobOf, jobsOf, linesOf, open, startNode, submit, traces, waitFor } from '../kit/batches.ts';
import { useHome } from '../kit/home.ts';
import { fixture } from '../kit/ran.ts';
import { until } from '../kit/until.ts';

const home = useHome({ shared: true });
beforeAll(async () => {
  await startNode(home, { slots: 3 });
});

async function omx(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await home.omx(args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

/** State and CPU time in ticks of a process (proc(5)). */
function processOf(pid: number): { state: string; ticks: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '', ticks: Number(fields[11]) + Number(fields[12]) };
}

async function states(...selectors: string[]): Promise<string[]> {
  return (await jobsOf(home, ...selectors)).map((job) => job.state);
}

describe('omx pause and resume', () => {
  test('CPU time stands still while a job is paused, its children’s too', async () => {
    const dir = traces(home, 'pause');
    const id = await submit(home, [
      '--',
      'sh',
      '-c',
      'spin="echo \\$\\$ >>\\"$1\\"; while :; do :; done"; sh -c "$spin" & eval "$spin"',
      '-',
      `${dir}/pids`,
    ]);
    const pids = (await until(() => linesOf(`${dir}/pids`), { is: (lines) => lines.length === 2 })).map(Number);
    for (const pid of pids) await until(() => processOf(pid).ticks > 2);
    expect(JSON.parse(await omx('pause', id, '--json'))).toEqual({ paused: 1 });
    for (const pid of pids) await until(() => processOf(pid).state === 'T');
    const stopped = pids.map((pid) => processOf(pid).ticks);
    await until(async () => (await states(id))[0] === 'paused');
    expect((await home.omx(['status', id, '--json'])).json()).toMatchObject({ counts: { running: 1 } });
    const since = performance.now();
    await until(() => performance.now() - since > 300);
    expect(pids.map((pid) => processOf(pid).ticks)).toEqual(stopped);
    expect(JSON.parse(await omx('resume', id, '--json'))).toEqual({ resumed: 1 });
    for (const [at, pid] of pids.entries()) await until(() => processOf(pid).ticks > (stopped[at] ?? 0) + 2);
    await until(async () => (await states(id))[0] === 'running');
    await omx('cancel', id);
    await waitFor(home, id);
    for (const pid of pids) await until(() => !isAlive(pid));
    expect((await jobOf(home, id)).user).toBeGreaterThan(0);
  });

  test('only jobs that are named stop, and a paused job that is cancelled sees its SIGTERM', async () => {
    const dir = traces(home, 'pause-some');
    const id = await submit(home, ['--array', '1-2', '--', fixture('polite'), `${dir}/{}`]);
    await until(() => linesOf(`${dir}/1`).length + linesOf(`${dir}/2`).length === 2);
    await until(async () => (await states(id)).every((state) => state === 'running'));
    await omx('pause', `${id}.2`);
    await until(async () => (await states(id)).join(' ') === 'running paused');
    await omx('cancel', id);
    expect(await waitFor(home, id)).toBe(1);
    expect(await states(id)).toEqual(['cancelled', 'cancelled']);
    for (const job of [1, 2]) expect(linesOf(`${dir}/${job}`)).toEqual(['ready', 'TERM']);
  });

  test('with nothing to pause or resume say so', async () => {
    const id = await finish(home, ['--', 'true']);
    expect(await omx('pause', id)).toMatch(/nothing to pause/);
    expect(await omx('resume', id)).toMatch(/nothing to resume/);
    expect(await states(id)).toEqual(['succeeded']);
  });
});

describe('omx hold and release', () => {
  test('a waiting job is kept back while the others run', async () => {
    const dir = traces(home, 'hold-job');
    const id = await submit(home, ['--array', '1-4%1', '--', fixture('latch'), dir]);
    await until(() => linesOf(`${dir}/started`).length === 1);
    expect(JSON.parse(await omx('hold', `${id}.3`, '--json'))).toEqual({ held: 1 });
    open(`${dir}/go`);
    expect(await waitFor(home, `${id}.1-2,4`)).toBe(0);
    expect(await states(id)).toEqual(['succeeded', 'succeeded', 'held', 'succeeded']);
    expect((await home.omx(['wait', id, '--timeout', '100ms'])).code).toBe(124);
    expect(JSON.parse(await omx('release', id, '--json'))).toEqual({ released: 1 });
    expect(await waitFor(home, id)).toBe(0);
    expect(linesOf(`${dir}/done`).sort()).toEqual(['1 1', '2 1', '3 1', '4 1']);
  });

  test('a batch is kept back as a whole, but for what runs', async () => {
    const dir = traces(home, 'hold-batch');
    const id = await submit(home, ['--array', '1-200%2', '--', fixture('latch'), dir]);
    await until(() => linesOf(`${dir}/started`).length === 2);
    expect(JSON.parse(await omx('hold', id, '--json'))).toEqual({ held: 198 });
    open(`${dir}/go`);
    expect(await waitFor(home, `${id}.1-2`)).toBe(0);
    // What comes after it runs: the held jobs are not merely slow.
    await finish(home, ['--', 'true']);
    expect((await home.omx(['status', id, '--json'])).json()).toMatchObject({
      state: 'held',
      counts: { held: 198, succeeded: 2, queued: 0, running: 0 },
    });
    expect(linesOf(`${dir}/started`)).toHaveLength(2);
    await omx('release', id);
    expect(await waitFor(home, id)).toBe(0);
    expect(new Set(linesOf(`${dir}/done`)).size).toBe(200);
    expect(linesOf(`${dir}/done`)).toHaveLength(200);
  });

  test('submit --hold keeps a batch back until it is released', async () => {
    const dir = traces(home, 'submit-hold');
    const id = await submit(home, [
      '--hold',
      '--array',
      '1-3',
      '--',
      'sh',
      '-c',
      'echo $OMX_JOB >>"$1"',
      '-',
      `${dir}/ran`,
    ]);
    await finish(home, ['--', 'true']);
    expect((await home.omx(['status', id, '--json'])).json()).toMatchObject({ state: 'held', counts: { held: 3 } });
    expect((await home.omx(['why', id])).stdout).toContain('--hold');
    expect(linesOf(`${dir}/ran`)).toEqual([]);
    await omx('release', `${id}.2`);
    expect(await waitFor(home, `${id}.2`)).toBe(0);
    expect(await states(id)).toEqual(['held', 'succeeded', 'held']);
    await omx('release', id);
    expect(await waitFor(home, id)).toBe(0);
    expect(linesOf(`${dir}/ran`).sort()).toEqual(['1', '2', '3']);
  });

  test('a batch that waits for another can be let go before', async () => {
    const dir = traces(home, 'after');
    const first = await submit(home, ['--', fixture('latch'), dir]);
    const second = await submit(home, ['--after', first, '--', 'true']);
    await finish(home, ['--', 'true']);
    expect(await states(second)).toEqual(['held']);
    await omx('release', second);
    expect(await waitFor(home, second)).toBe(0);
    open(`${dir}/go`);
    expect(await waitFor(home, first)).toBe(0);
  });

  test('a running job cannot be held', async () => {
    const dir = traces(home, 'running');
    const id = await submit(home, ['--', fixture('latch'), dir]);
    await until(() => linesOf(`${dir}/started`).length === 1);
    expect(await omx('hold', id)).toMatch(/nothing to hold/);
    open(`${dir}/go`);
    expect(await waitFor(home, id)).toBe(0);
  });
});
