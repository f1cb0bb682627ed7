import type { BatchId } from '@omx/core';
import { batchKeys, connect } from '@omx/queue';
import { beforeAll, describe, expect, test } from 'vitest';

import { finish, jobOf, linesOf, logsOf, open, startNode, submit, traces, waitFor } from '../kit/batches.ts';
import { useHome } from '../kit/home.ts';
import { fixture } from '../kit/ran.ts';
import { until } from '../kit/until.ts';

const home = useHome({ shared: true });
beforeAll(async () => {
  await startNode(home, { name: 'n1', slots: 3 });
});

/** Prints `one`, waits for DIR/go, prints `two`; on stderr the same in capitals. */
const twice =
  'echo one $OMX_JOB; echo ONE $OMX_JOB >&2; until [ -e "$1/go" ]; do sleep 0.02; done; echo two $OMX_JOB; echo TWO $OMX_JOB >&2';

describe('omx logs', () => {
  test('prints stdout of all jobs in their order, --err stderr, --both both, --last the end', async () => {
    const id = await finish(home, [
      '--array',
      '1-3',
      '--order',
      'reverse',
      '--',
      'sh',
      '-c',
      'for i in 1 2 3; do echo "out $OMX_JOB.$i"; echo "err $OMX_JOB.$i" >&2; done',
    ]);
    const lines = (word: string, from = 1): string[] =>
      [1, 2, 3].flatMap((job) => [1, 2, 3].filter((i) => i >= from).map((i) => `${word} ${job}.${i}\n`));
    expect(await logsOf(home, id)).toBe(lines('out').join(''));
    expect(await logsOf(home, id, '--err')).toBe(lines('err').join(''));
    expect((await logsOf(home, id, '--both')).split('\n').sort()).toEqual(
      [...lines('out'), ...lines('err')].join('').split('\n').sort(),
    );
    expect(await logsOf(home, id, '--last', '1')).toBe(lines('out', 3).join(''));
    expect(await logsOf(home, `${id}.2`, '-n', '2')).toBe('out 2.2\nout 2.3\n');
    expect(await logsOf(home, id, '--failed')).toBe('');
  });

  test('gives bytes back as they were, large outputs too', async () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, at) => at));
    const octal = [...bytes].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('');
    const small = await finish(home, ['--', 'printf', octal]);
    expect((await home.omx(['logs', small])).bytes.equals(bytes)).toBe(true);
    const pieces = (await home.omx(['logs', small, '--json'])).jsonLines();
    expect(
      Buffer.concat(
        pieces.map((piece) =>
          piece.text === undefined ? Buffer.from(piece.base64, 'base64') : Buffer.from(piece.text),
        ),
      ).equals(bytes),
    ).toBe(true);
    const large = await finish(home, ['--', 'sh', '-c', 'seq 1 400000']);
    const wanted = Buffer.from(Array.from({ length: 400_000 }, (_, at) => `${at + 1}\n`).join(''));
    expect((await home.omx(['logs', large])).bytes.equals(wanted)).toBe(true);
    expect(await logsOf(home, large, '--last', '2')).toBe('399999\n400000\n');
  });

  test('--json tells of each piece whose it is', async () => {
    const id = await finish(home, ['--', 'sh', '-c', 'echo well; echo ill >&2']);
    const pieces = (await home.omx(['logs', id, '--both', '--json'])).jsonLines();
    expect(pieces).toEqual([
      { id: `${id}.1`, attempt: 1, stream: 'stdout', node: 'n1', text: 'well\n' },
      { id: `${id}.1`, attempt: 1, stream: 'stderr', node: 'n1', text: 'ill\n' },
    ]);
  });

  test('shows what a running job has written so far', async () => {
    const dir = traces(home, 'so-far');
    const id = await submit(home, ['--', 'sh', '-c', twice, '-', dir]);
    await until(async () => (await logsOf(home, id)) === 'one 1\n');
    expect(await logsOf(home, id, '--err')).toBe('ONE 1\n');
    open(`${dir}/go`);
    expect(await waitFor(home, id)).toBe(0);
    expect(await logsOf(home, id)).toBe('one 1\ntwo 1\n');
  });
});

describe('omx tail', () => {
  test('without -f prints the last lines and ends, whatever still runs', async () => {
    const dir = traces(home, 'last');
    const id = await submit(home, ['--', 'sh', '-c', 'seq 1 30; until [ -e "$1/go" ]; do sleep 0.02; done', '-', dir]);
    await until(async () => (await logsOf(home, id)).endsWith('30\n'));
    const lines = (from: number): string[] => Array.from({ length: 31 - from }, (_, at) => String(from + at));
    expect((await home.omx(['tail', id])).lines()).toEqual(lines(21));
    expect((await home.omx(['tail', '-n', '2', id])).lines()).toEqual(lines(29));
    expect(await jobOf(home, id)).toMatchObject({ state: 'running' });
    open(`${dir}/go`);
    expect(await waitFor(home, id)).toBe(0);
  });

  test('-f shows output as it is written and ends with the job', async () => {
    const dir = traces(home, 'follow');
    const id = await submit(home, ['--', 'sh', '-c', twice, '-', dir]);
    const tail = home.omxSpawn(['tail', '-f', id]);
    await until(() => tail.stdout() === 'one 1\n' && tail.stderr() === 'ONE 1\n');
    open(`${dir}/go`);
    expect(await tail.ended).toMatchObject({ code: 0, stdout: 'one 1\ntwo 1\n', stderr: 'ONE 1\nTWO 1\n' });
  });

  test('-f of several jobs begins each line with the job and mixes no lines', async () => {
    const dir = traces(home, 'prefixed');
    const id = await submit(home, ['--array', '1-3', '--', 'sh', '-c', `printf begin; ${twice}`, '-', dir]);
    const tail = home.omxSpawn(['tail', '-f', '--out', id]);
    await until(() => tail.stdout().split('\n').length === 4);
    open(`${dir}/go`);
    const { code, stdout } = await tail.ended;
    expect(code).toBe(0);
    const expected = [1, 2, 3].flatMap((job) => [`${id}.${job}| beginone ${job}`, `${id}.${job}| two ${job}`]);
    expect(stdout.split('\n').slice(0, -1).sort()).toEqual(expected.sort());
  });

  test('-f goes on over retries', async () => {
    const dir = traces(home, 'over-retries');
    const id = await submit(home, [
      '--retries',
      '2',
      '--backoff',
      '50ms',
      '--hold',
      '--',
      'sh',
      '-c',
      'echo attempt $OMX_ATTEMPT; echo >>"$1/ran"; [ $OMX_ATTEMPT = 3 ]',
      '-',
      dir,
    ]);
    const tail = home.omxSpawn(['tail', '-f', id, '--json']);
    // What begins after it listens is what it shows.
    const redis = await connect({ socket: `${home.dir}/redis.sock` });
    await until(async () => redis.pubsub('NUMSUB', batchKeys(id as BatchId).changes), {
      is: ([, count]) => Number(count) > 0,
    });
    redis.disconnect();
    await home.omx(['release', id]);
    const { code, jsonLines } = await tail.ended;
    expect(code).toBe(0);
    expect(jsonLines().map((piece) => [piece.attempt, piece.stream, piece.text])).toEqual(
      [1, 2, 3].map((attempt) => [attempt, 'stdout', `attempt ${attempt}\n`]),
    );
    expect(linesOf(`${dir}/ran`)).toHaveLength(3);
  });

  test('-f ends at Ctrl-C; the job goes on', async () => {
    const dir = traces(home, 'interrupt');
    const id = await submit(home, ['--', fixture('latch'), dir]);
    const tail = home.omxSpawn(['tail', '-f', id]);
    await until(() => tail.stdout().includes('started 1'));
    tail.kill('SIGINT');
    expect((await tail.ended).code).toBe(130);
    expect(await jobOf(home, id)).toMatchObject({ state: 'running' });
    open(`${dir}/go`);
    expect(await waitFor(home, id)).toBe(0);
  });
});

describe('omx run', () => {
  test('streams the output, ends with real, user and sys, and returns the job’s own code', async () => {
    const well = await home.omx(['run', '--', 'sh', '-c', 'echo out; echo err >&2']);
    expect(well).toMatchObject({ code: 0, stdout: 'out\n' });
    expect(well.stderr).toMatch(/^err\n[\s\S]*\nreal\s+\S+\nuser\s+\S+\nsys\s+\S+\n$/);
    expect((await home.omx(['run', '-q', '--', 'sh', '-c', 'exit 37'])).code).toBe(37);
    expect((await home.omx(['run', '-q', '--', 'sh', '-c', 'kill -TERM $$'])).code).toBe(143);
    expect((await home.omx(['run', '-q', '--array', '1-3', '--', 'sh', '-c', 'exit $((OMX_JOB - 1))'])).code).toBe(1);
    expect((await home.omx(['run', '-q', '--array', '1-3', '--', 'true'])).code).toBe(0);
    const missing = await home.omx(['run', '-q', '--', '/no/such/program']);
    expect(missing.code).not.toBe(0);
    expect(missing.stderr).toMatch(/not.*start/);
  });

  test('shows a single job’s output while it runs', async () => {
    const dir = traces(home, 'live');
    const run = home.omxSpawn(['run', '-q', '--', 'sh', '-c', twice, '-', dir]);
    await until(() => run.stdout() === 'one 1\n');
    open(`${dir}/go`);
    expect(await run.ended).toMatchObject({ code: 0, stdout: 'one 1\ntwo 1\n', stderr: 'ONE 1\nTWO 1\n' });
  });

  test('of several jobs prints each one’s output in one piece', async () => {
    const { code, stdout } = await home.omx([
      'run',
      '-q',
      '--array',
      '1-6',
      '--',
      'sh',
      '-c',
      'for i in 1 2 3; do echo $OMX_JOB.$i; sleep 0.02; done',
    ]);
    expect(code).toBe(0);
    const groups = stdout.match(/(\d)\.1\n\1\.2\n\1\.3\n/g) ?? [];
    expect(groups.join('')).toBe(stdout);
    expect(groups.map((group) => group[0]).sort()).toEqual(['1', '2', '3', '4', '5', '6']);
  });

  test('interrupted stops waiting and says how to go on; the batch goes on', async () => {
    const dir = traces(home, 'run-interrupt');
    const run = home.omxSpawn(['run', '--', fixture('latch'), dir]);
    await until(() => run.stdout().includes('started 1'));
    run.kill('SIGINT');
    const { code, stderr } = await run.ended;
    expect(code).toBe(130);
    const id = /omx wait (b\d+)/.exec(stderr)?.[1] ?? '';
    expect(stderr).toContain(`omx tail -f ${id}`);
    expect(await jobOf(home, id)).toMatchObject({ state: 'running', attempt: 1 });
    open(`${dir}/go`);
    expect(await waitFor(home, id)).toBe(0);
  });
});
