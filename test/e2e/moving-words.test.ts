import { beforeEach, describe, expect, test } from 'vitest';

import { linesOf, open, startNode, submit, traces, waitFor } from '../kit/batches.ts';
import { useHome } from '../kit/home.ts';
import { fixture } from '../kit/ran.ts';
import { until } from '../kit/until.ts';

/** What the commands about moving say where there is nothing to move with: one node that only has plain. */
const home = useHome();
beforeEach(async () => {
  await startNode(home, { name: 'n1', slots: 2, args: ['--launcher', 'plain'] });
});

/** A job that runs until `go` is there. */
async function latch(name: string): Promise<{ readonly id: string; readonly go: string }> {
  const dir = traces(home, name);
  const id = await submit(home, ['--', fixture('latch'), dir]);
  await until(() => linesOf(`${dir}/started`).length === 1);
  return { id, go: `${dir}/go` };
}

describe('omx submit', () => {
  test.each([
    [['--launcher', 'plain', '--oversubscribe'], /--oversubscribe: .*launcher plain.*\nhint: .*--launcher criu/],
    [['--launcher', 'mosrun', '--fork-migrate'], /--fork-migrate: .*launcher mosrun/],
    [['--launcher', 'plain', '--checkpoint-every', '10m'], /--checkpoint-every: .*no image/],
    [['--checkpoint-every', '100ms'], /--checkpoint-every: '100ms' is less than a second/],
    [['--balance', 'yes'], /--balance: 'yes' is not on or off/],
  ])('refuses %j', async (args, message) => {
    const { code, stdout, stderr } = await home.omx(['submit', ...args, '--', 'true']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(message);
  });

  test('says before anything starts what no node there can do', async () => {
    const { stderr } = await home.omx(['submit', '--launcher', 'criu', '--', 'true']);
    expect(stderr).toMatch(/^warning: b\d+: n1 has no criu that works, so its jobs end as not started; omx doctor/);
    const auto = await home.omx(['submit', '--oversubscribe', '--fork-migrate', '--', 'true']);
    expect(auto.stderr).toMatch(/under plain, and without --oversubscribe and --fork-migrate/);
    expect((await home.omx(['submit', '--', 'true'])).stderr).toBe('');
    // A worker that has nothing to do is gone before `down` would say that it waits for it.
    expect(await home.omx(['down'])).toMatchObject({ code: 0, stderr: '' });
    // The worker that this starts may well have it.
    expect((await home.omx(['submit', '--hold', '--launcher', 'criu', '--', 'true'])).stderr).toBe('');
  });

  test('keeps what was asked for, and omx status tells it', async () => {
    const asked = ['--balance', 'off', '--checkpoint-every', '90s', '--oversubscribe', '--fork-migrate'];
    const { stdout } = await home.omx(['submit', '-q', '--hold', ...asked, '--', 'true']);
    const id = stdout.trim();
    expect((await home.omx(['status', id])).stdout).toMatch(
      /moving +--balance off --checkpoint-every 1m30s --oversubscribe --fork-migrate\n/,
    );
    const other = await submit(home, ['--hold', '--', 'true']);
    expect((await home.omx(['status', other])).stdout).not.toContain('moving');
  });
});

test('omx migrate and omx checkpoint need a node and a job that can', async () => {
  const { id, go } = await latch('migrate');
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await home.omx(args);
    return { code, text: stdout + stderr };
  };
  expect(await run('migrate', id, '--to', 'n1')).toEqual({
    code: 1,
    text: expect.stringMatching(/no job can move to n1: it has no CRIU that works\nhint: .*omx doctor/) as string,
  });
  expect(await run('migrate', id, '--to', 'n9')).toMatchObject({ code: 4 });
  expect(await run('migrate', id)).toMatchObject({ code: 2 });
  expect(await run('checkpoint', id)).toEqual({
    code: 1,
    text: expect.stringMatching(/was not checkpointed: .*launcher plain.*\nhint: .*--launcher criu/) as string,
  });
  open(go);
  expect(await waitFor(home, id)).toBe(0);
  expect(await run('checkpoint', `${id}.1`)).toEqual({
    code: 1,
    text: expect.stringMatching(/it does not run any more: succeeded/) as string,
  });
});

test('omx pause --freeze leaves plain jobs alone, and says so', async () => {
  const { id, go } = await latch('freeze');
  const { code, stdout } = await home.omx(['pause', '--freeze', id]);
  expect({ code, stdout }).toEqual({
    code: 1,
    stdout: expect.stringMatching(/1 job cannot be frozen, .*--launcher criu.*omx pause without --freeze/) as string,
  });
  open(go);
  expect(await waitFor(home, id)).toBe(0);
});

test('omx drain --wait says what it waits for, and why that stays', async () => {
  const { id, go } = await latch('drain');
  const draining = home.omxSpawn(['drain', 'n1', '--wait']);
  await until(() => new RegExp(`n1: ${id}\\.1 still runs there: .*plain`).test(draining.stdout()));
  open(go);
  const { code, stdout } = await draining.ended;
  expect(code).toBe(0);
  expect(stdout).toMatch(/^n1: moves or finishes 1 job and takes no more/);
  expect(stdout).toMatch(/n1: runs nothing\n$/);
});

test.each([
  ['/proc/none', /--image-dir: no images can be kept in \/proc\/none: .*\nhint: /],
  ['images', /--image-dir: 'images' is no absolute path\nhint: /],
])('omx worker --image-dir %s is refused before it starts', async (folder, message) => {
  const { code, stdout, stderr } = await home.omx(['worker', '--name', 'n2', '--image-dir', folder]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(message);
});

test('omx migrate all leaves out what does not run', async () => {
  expect(await waitFor(home, await submit(home, ['--', 'true']))).toBe(0);
  await startNode(home, { name: 'n2', args: ['--launcher', 'plain'] });
  const { code, stderr } = await home.omx(['checkpoint', 'all']);
  expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringMatching(/^nothing to keep/) as string });
});

test('omx worker --address is where others reach it', async () => {
  await startNode(home, { name: 'n2', args: ['--address', 'n2.example.org'] });
  const nodes = (await home.omx(['nodes', '--json'])).jsonLines<{ name: string; address: string }>();
  expect(nodes.map(({ name, address }) => [name, address])).toEqual([
    ['n1', '127.0.0.1'],
    ['n2', 'n2.example.org'],
  ]);
});
