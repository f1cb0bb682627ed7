import { dirname } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';

import { finish, jobOf, jobsOf, linesOf, logsOf, startNode } from '../kit/batches.ts';
import { useHome } from '../kit/home.ts';
import { fixture } from '../kit/ran.ts';

// The stand-in for mosrun goes before any other; what it is told by the environment comes with the job.
const PATH = `${dirname(fixture('mosrun'))}:${process.env['PATH']}`;

describe('on a node of an openMosix cluster', () => {
  const home = useHome({ shared: true });
  const dialect = 'openmosix-2.4';
  beforeAll(async () => {
    await startNode(home, { env: { OMX_MOSIX_DIALECT: dialect, PATH } });
  });
  const trace = (): Record<string, unknown>[] => linesOf(`${home.work}/trace`).map((line) => JSON.parse(line));
  const env = (more: Record<string, string> = {}): { env: Record<string, string> } => ({
    env: { MOSRUN_DIALECT: dialect, MOSRUN_TRACE: `${home.work}/trace`, PATH, ...more },
  });

  test('jobs run through mosrun, free to move', async () => {
    const id = await finish(
      home,
      [
        '--launcher',
        'mosrun',
        '--array',
        '1-3',
        '--',
        'sh',
        '-c',
        'echo "$1"; exit $((OMX_JOB - 1))',
        '-',
        'a  b "{}" *',
      ],
      env(),
    );
    expect(await jobsOf(home, id)).toMatchObject([
      {
        launcher: 'mosrun',
        outcome: 'succeeded',
        exitCode: 0,
        argv: ['sh', '-c', 'echo "$1"; exit $((OMX_JOB - 1))', '-', 'a  b "1" *'],
      },
      { launcher: 'mosrun', outcome: 'exited', exitCode: 1 },
      { launcher: 'mosrun', outcome: 'exited', exitCode: 2 },
    ]);
    expect(await logsOf(home, `${id}.2`)).toBe('a  b "2" *\n');
    expect(trace()).toHaveLength(3);
    for (const call of trace())
      expect(call).toMatchObject({ dialect, place: 'none', lock: 'unlocked', hint: 'c', program: 'sh', words: 5 });
  });

  test('auto takes mosrun here, and plain does not', async () => {
    const before = trace().length;
    expect(await jobOf(home, await finish(home, ['--', 'true'], env()))).toMatchObject({
      launcher: 'mosrun',
      outcome: 'succeeded',
    });
    expect(trace()).toHaveLength(before + 1);
    expect(await jobOf(home, await finish(home, ['--launcher', 'plain', '--', 'true'], env()))).toMatchObject({
      launcher: 'plain',
      outcome: 'succeeded',
    });
    expect(trace()).toHaveLength(before + 1);
    const [node] = (await home.omx(['nodes', '--json'])).jsonLines();
    expect(node.launchers).toEqual(expect.arrayContaining(['mosrun', 'plain']));
  });

  test('signals and usage are the program’s own', async () => {
    const killed = await finish(home, ['--launcher', 'mosrun', '--', 'sh', '-c', 'kill -SEGV $$'], env());
    expect(await jobOf(home, killed)).toMatchObject({ launcher: 'mosrun', outcome: 'signalled', signal: 'SIGSEGV' });
    const burnt = await jobOf(
      home,
      await finish(home, ['--launcher', 'mosrun', '--', fixture('burn'), '100000'], env()),
    );
    expect(burnt.user).toBeGreaterThan(0.05);
  });

  test('a job that mosrun cannot start was not started', async () => {
    const id = await finish(
      home,
      ['--launcher', 'mosrun', '--', 'true'],
      env({ MOSRUN_FAIL: 'node 3 is not available' }),
    );
    expect(await jobOf(home, id)).toMatchObject({ state: 'failed', outcome: 'not-started', exitCode: null });
    const why = (await home.omx(['why', `${id}.1`])).stdout;
    expect(why).toMatch(/launcher/);
    // The same words, later than mosrun can say them or from a program that does well, are the program's.
    const own = await finish(home, ['--launcher', 'mosrun', '--', 'sh', '-c', 'echo mosrun: all is well >&2'], env());
    expect(await jobOf(home, own)).toMatchObject({ outcome: 'succeeded' });
  });
});

describe('on a node of a MOSIX 4 cluster', () => {
  const home = useHome({ shared: true });
  beforeAll(async () => {
    await startNode(home, { env: { OMX_MOSIX_DIALECT: 'mosix-4', PATH } });
  });

  test('mosrun is told memory and group, and programs that MOSIX cannot run stay native', async () => {
    const env = { MOSRUN_DIALECT: 'mosix-4', MOSRUN_TRACE: `${home.work}/trace`, PATH };
    const id = await finish(home, ['--launcher', 'mosrun', '--mem', '64MiB', '--', 'sh', '-c', 'exit 6'], { env });
    expect(await jobOf(home, id)).toMatchObject({ launcher: 'mosrun', outcome: 'exited', exitCode: 6 });
    expect(JSON.parse(linesOf(`${home.work}/trace`)[0] ?? '')).toMatchObject({
      place: 'best',
      lenient: 'error',
      mb: 64,
      group: Number(id.slice(1)),
    });
    expect(
      await jobOf(home, await finish(home, ['--launcher', 'mosrun', '--', process.execPath, '--version'], { env })),
    ).toMatchObject({ outcome: 'succeeded' });
    expect(linesOf(`${home.work}/trace`)).toHaveLength(1);
  });
});

describe('on a node without a cluster and without criu', () => {
  const home = useHome({ shared: true });
  beforeAll(async () => {
    await startNode(home, { env: { OMX_CRIU: '/no/such/criu' } });
  });

  test.for(['mosrun', 'criu'])('--launcher %s is refused with the reason and the mend', async (launcher) => {
    const id = await finish(home, ['--launcher', launcher, '--', 'touch', `${home.work}/${launcher}`]);
    expect(await jobOf(home, id)).toMatchObject({
      state: 'failed',
      outcome: 'not-started',
      launcher: null,
      startedAt: null,
    });
    expect(linesOf(`${home.work}/${launcher}`)).toEqual([]);
    const why = (await home.omx(['why', `${id}.1`])).stdout;
    expect(why).toContain(`cannot use the launcher ${launcher}`);
    expect(why).toContain('--launcher plain');
    expect(await jobOf(home, await finish(home, ['--', 'true']))).toMatchObject({
      launcher: 'plain',
      outcome: 'succeeded',
    });
  });

  test('an unknown launcher is refused at once', async () => {
    const { code, stderr } = await home.omx(['submit', '--launcher', 'mosrum', '--', 'true']);
    expect(code).toBe(2);
    expect(stderr).toContain('mosrum');
  });
});
