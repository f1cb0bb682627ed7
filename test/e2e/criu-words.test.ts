import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

import { NodeStore, connect } from '@omx/queue';
import { expect, onTestFinished, test } from 'vitest';

import { jobOf, linesOf, open, startNode, submit, traces, waitFor } from '../kit/batches.ts';
import { criuAfter } from '../kit/criu-after.ts';
import { useHome } from '../kit/home.ts';
import { skipUnless } from '../kit/needs.ts';
import { ownMounts } from '../kit/own-mounts.ts';
import { fixture } from '../kit/ran.ts';
import { until } from '../kit/until.ts';

/** What is said of moves that cannot be, with CRIU that works, and jobs that run. */
const home = useHome();
const here = { ...skipUnless('criu'), timeout: 120_000 };

/** A job that runs until `go` is there. */
async function latch(
  name: string,
  args: readonly string[] = [],
): Promise<{ readonly job: string; readonly go: string }> {
  const dir = traces(home, name);
  const id = await submit(home, [...args, '--', fixture('latch'), dir]);
  await until(() => linesOf(`${dir}/started`).length === 1);
  await until(async () => (await jobOf(home, id)).state === 'running');
  return { job: `${id}.1`, go: `${dir}/go` };
}

async function said(...args: string[]): Promise<{ code: number; text: string }> {
  const { code, stdout, stderr } = await home.omx(args);
  return { code, text: stdout + stderr };
}

test('while a worker still tries its CRIU out, jobs wait for it, and it is said that it does', here, async () => {
  const go = join(home.work, 'criu-goes');
  await startNode(home, { name: 'n1', args: ['--launcher', 'plain'] });
  const { job: moving, go: end } = await latch('plain', ['--node', 'n1']);
  const slow = `case " $* " in *" dump "*) until [ -e ${go} ]; do sleep 0.05; done;; esac`;
  await startNode(home, { name: 'n2', env: { OMX_CRIU: criuAfter(home.work, slow) } });
  expect((await said('nodes')).text).toMatch(/n2 .*plain,criu\?/);
  expect(await said('migrate', moving, '--to', 'n2')).toEqual({
    code: 1,
    text: expect.stringMatching(
      /no job can move to n2: .*still tries out whether CRIU works there\nhint: .*again/,
    ) as string,
  });
  const id = await submit(home, ['--launcher', 'criu', '--', 'true']);
  expect((await said('why', id)).text).toMatch(/queued\n +it needs the launcher criu, and n2 still tries out/);
  // It has been offered to both by then.
  expect(await waitFor(home, await submit(home, ['--', 'true']))).toBe(0);
  expect(await jobOf(home, id)).toMatchObject({ state: 'queued', attempt: 0 });
  open(go);
  expect(await waitFor(home, id)).toBe(0);
  expect(await jobOf(home, id)).toMatchObject({ outcome: 'succeeded', node: 'n2', launcher: 'criu' });
  expect((await said('nodes')).text).toMatch(/n2 .*plain,criu /);
  open(end);
  expect(await waitFor(home, moving)).toBe(0);
});

test('a target of another architecture, or one that is full', here, async () => {
  await startNode(home, { name: 'n1' });
  const { job, go } = await latch('arch', ['--launcher', 'criu']);
  const redis = await connect({ socket: join(home.dir, 'redis.sock') });
  try {
    const nodes = new NodeStore(redis);
    const [mine] = await nodes.list();
    if (mine === undefined) throw new Error('no node came up');
    await nodes.describe({ ...mine, name: 'arm', identity: 'arm', arch: 'arm64', lastSeen: Date.now() + 60_000 });
    await nodes.takeLease('arm', 'arm', 60_000);
    expect(await said('migrate', job, '--to', 'arm')).toEqual({
      code: 1,
      text: expect.stringMatching(/was not moved: .*x64.*arm is arm64\nhint: .*x64/) as string,
    });
  } finally {
    redis.disconnect();
  }
  await startNode(home, { name: 'n2', slots: 1 });
  const full = await latch('full', ['--launcher', 'criu', '--node', 'n2']);
  expect(await said('migrate', job, '--to', 'n2')).toEqual({
    code: 1,
    text: expect.stringMatching(/was not moved: .*n2 is full: 1 of 1 slots are taken\nhint: /) as string,
  });
  expect(existsSync(full.go)).toBe(false);
  expect(await jobOf(home, job)).toMatchObject({ state: 'running', node: 'n1', migrations: 0 });
  for (const each of [go, full.go]) open(each);
  expect(await waitFor(home, job, full.job)).toBe(0);
});

interface Check {
  readonly name: string;
  readonly verdict: string;
  readonly reason: string;
  readonly mend: string | null;
}

async function checksOf(name: string, ...args: string[]): Promise<Check[]> {
  const { checks } = (await home.omx(['doctor', '--json', ...args])).json<{ checks: Check[] }>();
  return checks.filter((check) => check.name === name);
}

async function hasCriu(...names: string[]): Promise<void> {
  await until(async () => {
    const nodes = (await home.omx(['nodes', '--json'])).jsonLines<{ name: string; launchers: string[] }>();
    return names.every((name) => nodes.some((node) => node.name === name && node.launchers.includes('criu')));
  });
}

test(
  'omx doctor tries whether running jobs could go from node to node',
  { ...here, ...skipUnless('criu', 'root'), timeout: 180_000 },
  async () => {
    // Not in a folder for temporary files: what stands there goes along with a job.
    const bin = mkdtempSync(join(homedir(), '.omx-test-'));
    onTestFinished(() => rmSync(bin, { recursive: true, force: true }));
    const other = join(home.work, 'other');
    mkdirSync(other);
    copyFileSync('/bin/sleep', join(bin, 'nap'));
    copyFileSync('/bin/cat', join(other, 'nap'));
    await startNode(home, { name: 'n1' });
    const bind = ['unshare', '--mount', ...ownMounts, 'sh', '-c', `mount --bind ${other} ${bin} && exec "$@"`, 'sh'];
    const second = home.omxSpawn(['worker', '--name', 'n2', '--slots', '1'], { through: bind });
    await until(() => second.stdout().includes('node is up'), { timeoutMs: 30_000 });
    await hasCriu('n1', 'n2');
    expect(await checksOf('moves')).toEqual([
      expect.objectContaining({ verdict: 'ok', reason: expect.stringMatching(/of n1, n2 fit/) as string }),
    ]);
    // There it would end at once, with the words of cat.
    await home.omx(['drain', 'n2']);
    const id = await submit(home, ['--launcher', 'criu', '--balance', 'off', '--', join(bin, 'nap'), '600']);
    await until(async () => (await jobOf(home, id)).state === 'running');
    await home.omx(['undrain', 'n2']);
    expect(await checksOf(`job ${id}.1`, id)).toEqual([
      expect.objectContaining({
        verdict: 'warn',
        reason: expect.stringMatching(/runs on n1 and could not go on at n2: .*\/nap is another build here/) as string,
        mend: expect.stringContaining('same programs') as string,
      }),
    ]);
    expect(await said('migrate', id, '--to', 'n2')).toMatchObject({
      code: 1,
      text: expect.stringMatching(/nap is another build here/),
    });
    // A processor that has other features, and lacks some of those of n1.
    const lacking = `case " $* " in
    *" cpuinfo dump "*) $real "$@" && while [ "$1" != --images-dir ]; do shift; done; printf 1 >>"$2"/cpuinfo.img; exit;;
    *" cpuinfo check "*) echo 'Error (criu/cr-check.c:1): CPU features do not match'; exit 1;;
  esac`;
    await startNode(home, { name: 'n3', env: { OMX_CRIU: criuAfter(home.work, lacking) } });
    await hasCriu('n3');
    expect(await checksOf('moves')).toContainEqual(
      expect.objectContaining({
        verdict: 'warn',
        reason: 'no job can go from n1, n2 to n3: this processor lacks features of the one where it came from',
        mend: 'choose a node with such a processor',
      }),
    );
    await home.omx(['cancel', id]);
    await waitFor(home, id);
  },
);
