import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { probeCriu } from '@omx/launch';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { root, useHome } from '../kit/home.ts';
import { needs, skipUnless } from '../kit/needs.ts';

const script = join(root, 'packages/cli/setup/get-criu.sh');
const mirror = 'http://deb.debian.org/debian';
/** Nobody listens there. */
const deadMirror = 'http://127.0.0.1:9/debian';

let dir: string;
/** In a folder of its own, whose name needs quotes. */
let target: string;

beforeEach(() => {
  dir = mkdtempSync('/tmp/omx-get-criu-');
  mkdirSync(join(dir, 'bin'));
  target = join(dir, 'a data folder', 'criu');
});

afterEach(() => rmSync(dir, { recursive: true }));

describe('with Debian’s mirror', () => {
  test('two at a time unpack one that runs, and a later run finds it', async (ctx) => {
    const reason = needs('apt') ?? (await unreachable());
    if (reason !== undefined) return ctx.skip(reason);
    // What a run that was killed has left.
    mkdirSync(join(dir, 'a data folder', '.criu-killed', 'new'), { recursive: true });
    const runs = await Promise.all([getCriu(['--private', target]), getCriu(['--private', target])]);
    expect(runs.map(({ exitCode, stderr }) => ({ exitCode, stderr }))).toEqual([
      { exitCode: 0, stderr: expect.stringContaining(`${target}/criu`) },
      { exitCode: 0, stderr: expect.stringContaining(`${target}/criu`) },
    ]);
    expect(runs.filter(({ stderr }) => stderr.includes('unpacking'))).toHaveLength(1);
    expect(readdirSync(join(dir, 'a data folder')).sort()).toEqual(['.criu.lock', 'criu']);

    const criu = join(target, 'criu');
    symlinkSync(criu, join(dir, 'bin', 'linked'));
    for (const program of [criu, join(dir, 'bin', 'linked')]) {
      expect((await execa(program, ['--version'])).stdout).toMatch(/^Version: [4-9]\./);
    }

    // It does what it is for.
    const probe = await probeCriu({ ...process.env, OMX_CRIU: criu });
    expect({ file: probe.criu?.file, reason: probe.reason }).toEqual({ file: criu, reason: undefined });

    const again = await getCriu(['--private', target], { OMX_DEBIAN_MIRROR: deadMirror });
    expect(again).toMatchObject({ exitCode: 0, stderr: expect.stringMatching(/^omx: CRIU [4-9]\S* is here: /) });
    // One that no longer runs is replaced.
    rmSync(join(target, 'criu.bin'));
    expect(await getCriu(['--private', target])).toMatchObject({ exitCode: 0 });
    expect((await execa(criu, ['--version'])).stdout).toMatch(/^Version: /);
  });
});

describe('with a mirror that is of no use', () => {
  test('says so for each way, and leaves nothing behind', skipUnless('apt'), async () => {
    const { exitCode, stderr } = await getCriu(['--private', target], { OMX_DEBIAN_MIRROR: deadMirror });
    expect(exitCode).toBe(3);
    expect(stderr).toContain('package: nothing is to be installed');
    expect(stderr).toMatch(/Debian 13's packages: cannot read http:\/\/127\.0\.0\.1:9\/debian: .*refused/);
    expect(stderr).toMatch(/building it: cannot fetch http:\/\/127\.0\.0\.1:9\/.*\.orig\.tar\.xz/);
    expect(stderr).toContain('OMX_DEBIAN_MIRROR');
    expect(readdirSync(join(dir, 'a data folder'))).toEqual(['.criu.lock']);
  });

  test('takes nothing that Debian has not signed', skipUnless('apt'), async () => {
    const release = join(dir, 'mirror', 'dists', 'trixie');
    mkdirSync(join(release, 'main'), { recursive: true });
    writeFileSync(join(release, 'Release'), 'Suite: stable\nCodename: trixie\nComponents: main\n');
    const { exitCode, stderr } = await getCriu(['--private', target], {
      OMX_DEBIAN_MIRROR: `file:${dir}/mirror`,
    });
    expect(exitCode).toBe(3);
    expect(stderr).toMatch(/Debian 13's packages: cannot read file:.*not signed/);
    expect(readdirSync(join(dir, 'a data folder'))).toEqual(['.criu.lock']);
  });
});

test('an older one on PATH, and one that does not run, are passed over', async () => {
  for (const tool of ['dirname', 'sed']) symlinkSync(onPath(tool), join(dir, 'bin', tool));
  const path = { PATH: join(dir, 'bin'), OMX_CRIU: '' };
  const where = async (): Promise<string> => (await getCriu(['--where', target], path)).stdout;
  program('criu', 'echo "Version: 3.17.1"');
  mkdirSync(target, { recursive: true });
  program('../a data folder/criu/criu', 'exit 1');
  // The system may have one in a usual place.
  expect(await where()).not.toContain(dir);
  program('../a data folder/criu/criu', 'echo "Version: 10.0"');
  expect(await where()).toBe(join(target, 'criu'));
  program('criu', 'echo "Version: 4.0"');
  expect(await where()).toBe(join(dir, 'bin', 'criu'));
  const { exitCode, stderr } = await getCriu([target], path);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: `omx: CRIU 4.0 is here: ${join(dir, 'bin', 'criu')}` });
});

test('one that is named is taken alone', async () => {
  program('named', 'echo "Version: 4.0"');
  const named = join(dir, 'bin', 'named');
  expect(await getCriu(['--where', target], { OMX_CRIU: named })).toMatchObject({ exitCode: 0, stdout: named });
  expect(await getCriu([target], { OMX_CRIU: '/no/such' })).toMatchObject({
    exitCode: 3,
    stderr: 'omx: OMX_CRIU=/no/such is no CRIU 4 or newer',
  });
});

test('a folder with something else in it is not touched', async () => {
  mkdirSync(target, { recursive: true });
  writeFileSync(join(target, 'precious'), 'mine');
  const { exitCode, stderr } = await getCriu(['--private', target]);
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 3, stderr: expect.stringContaining('holds something else') });
  expect(readFileSync(join(target, 'precious'), 'utf8')).toBe('mine');
});

describe('omx doctor --fix', () => {
  const home = useHome();

  test('gets one, if there is none, and checks what it can do here', skipUnless('criu', 'netns'), async () => {
    const { stderr, json } = await home.omx(['doctor', '--fix', '--json']);
    expect(stderr).toMatch(/CRIU [4-9]\S* is here: /);
    const { checks } = json();
    expect(checks).toContainEqual(expect.objectContaining({ name: 'criu', verdict: 'ok' }));
    expect(checks.map(({ name }: { name: string }) => name)).toEqual(
      expect.arrayContaining(['user namespaces', 'criu check', 'tmpfs']),
    );
  });

  test('mends only its own machine', async () => {
    const { code, stderr } = await home.omx(['doctor', '--fix', '--node', 'vega']);
    expect(code).toBe(2);
    expect(stderr).toContain('cannot mend vega from here');
  });
});

async function getCriu(args: readonly string[], env: Record<string, string> = {}) {
  return execa('/bin/sh', [script, ...args], { env, reject: false });
}

function program(name: string, text: string): void {
  const path = join(dir, 'bin', name);
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
}

function onPath(tool: string): string {
  const folder = (process.env['PATH'] ?? '').split(':').find((each) => existsSync(join(each, tool)));
  if (folder === undefined) throw new Error(`no ${tool} on PATH`);
  return join(folder, tool);
}

async function unreachable(): Promise<string | undefined> {
  try {
    await fetch(`${mirror}/dists/trixie/InRelease`, { method: 'HEAD', signal: AbortSignal.timeout(10_000) });
    return undefined;
  } catch (error) {
    return `needs a network in which ${mirror} answers: ${String((error as Error).cause ?? error)}`;
  }
}
