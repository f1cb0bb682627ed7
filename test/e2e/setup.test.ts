import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { root } from '../kit/home.ts';
import { skipUnless } from '../kit/needs.ts';
import { askRedis } from '../kit/ask-redis.ts';
import { until } from '../kit/until.ts';

/** A clone with nothing but what prepare.sh reads, and a machine whose PATH has nothing but what a test puts there. */
let clone: string;
let bin: string;

beforeEach(() => {
  clone = mkdtempSync('/tmp/omx-setup-');
  bin = join(clone, 'machine', 'bin');
  mkdirSync(bin, { recursive: true });
  for (const path of ['packages/cli/setup', 'packages/launch/native', 'package.json', 'package-lock.json']) {
    cpSync(join(root, path), join(clone, path), { recursive: true, preserveTimestamps: true });
  }
  // What it builds with the installed packages, which this clone has none of.
  writeFileSync(join(clone, 'packages/cli/bundle.mjs'), '');
  for (const tool of [
    'cat',
    'dirname',
    'env',
    'find',
    'id',
    'mkdir',
    'mktemp',
    'mv',
    'node',
    'rm',
    'sed',
    'sh',
    'touch',
  ]) {
    symlinkSync(onPath(tool), join(bin, tool));
  }
  // An npm that notes what it was asked for and leaves behind what prepare.sh looks at.
  program(
    'npm',
    `echo "npm $*" >>calls
     mkdir -p node_modules/.bin && touch node_modules/.package-lock.json
     printf '#!/bin/sh\\necho "tsc $*" >>calls\\n' >node_modules/.bin/tsc && chmod 755 node_modules/.bin/tsc`,
  );
  symlinkSync(onPath('chmod'), join(bin, 'chmod'));
});

afterEach(() => rmSync(clone, { recursive: true }));

test('a second run finds everything done, a newer lock file makes npm run again', async () => {
  program('redis-server', 'exit 0');
  expect(await prepare()).toMatchObject({ exitCode: 0 });
  expect(calls()).toEqual([expect.stringMatching(/^npm ci --include=dev /), 'tsc -b']);
  expect(await prepare()).toMatchObject({ exitCode: 0 });
  expect(calls().slice(2)).toEqual(['tsc -b']);
  const later = Date.now() / 1000 + 60;
  utimesSync(join(clone, 'package-lock.json'), later, later);
  await prepare();
  expect(calls().slice(3)).toEqual([expect.stringMatching(/^npm ci/), 'tsc -b']);
});

test('an old Node is named before anything is done', async () => {
  rmSync(join(bin, 'node'));
  program('node', 'case $1 in --version) echo v18.20.4 ;; *) exit 1 ;; esac');
  const { exitCode, stderr } = await prepare();
  expect({ exitCode, stderr }).toMatchObject({
    exitCode: 3,
    stderr: expect.stringMatching(/20\.19 or newer is needed; this is v18\.20\.4/),
  });
  expect(calls()).toEqual([]);
});

test('without a compiler it says which package has one, before anything is installed', async () => {
  rmSync(join(clone, 'packages/launch/native/build'), { recursive: true, force: true });
  program('redis-server', 'exit 0');
  const { exitCode, stderr } = await prepare();
  expect(exitCode).toBe(3);
  expect(stderr).toMatch(/no C compiler[^]*apt-get install gcc libc6-dev/);
  expect(calls()).toEqual([]);
});

test('without a server and without a way to get one it says what to do', async () => {
  const { exitCode, stderr } = await prepare();
  expect(exitCode).toBe(3);
  expect(stderr).toMatch(/no redis-server or valkey-server/);
  expect(stderr).toMatch(/apt-get install redis-server[^]*OMX_REDIS_SERVER=[^]*OMX_REDIS_URL=/);
  expect(calls()).toEqual([]);
});

test('a server of the user is enough', async () => {
  expect(await prepare({ OMX_REDIS_URL: 'redis://queue.example:6379' })).toMatchObject({ exitCode: 0 });
  program('my-redis', 'exit 0');
  expect(await prepare({ OMX_REDIS_SERVER: join(bin, 'my-redis') })).toMatchObject({ exitCode: 0 });
  expect(await prepare({ OMX_REDIS_SERVER: '/no/such' })).toMatchObject({
    exitCode: 3,
    stderr: 'omx: OMX_REDIS_SERVER=/no/such is not a program',
  });
});

test('root gets the server from the package manager', async () => {
  rmSync(join(bin, 'id'));
  program('id', 'echo 0');
  program(
    'dnf',
    `case "$*" in *valkey) printf '#!/bin/sh\\n' >${bin}/valkey-server && chmod 755 ${bin}/valkey-server ;; *) exit 1 ;; esac`,
  );
  expect(await prepare()).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('installing redis with dnf') });
});

test('the server unpacked without root answers', skipUnless('apt'), async () => {
  const cache = join(clone, 'a cache');
  await execa('sh', ['packages/cli/setup/get-redis.sh'], { cwd: clone, env: { XDG_CACHE_HOME: cache } });
  const server = join(cache, 'omx/redis/redis-server');
  const socket = join(clone, 's');
  const child = execa(server, ['--port', '0', '--unixsocket', socket, '--save', ''], { reject: false, cwd: clone });
  try {
    await until(() => askRedis(socket, 'PING'), {
      is: (reply) => reply.startsWith('+PONG'),
      failIf: () => child.exitCode !== null,
    });
    // The server itself, and no shell in between that would get its signals.
    expect(readFileSync(`/proc/${child.pid}/cmdline`, 'latin1')).toMatch(/(redis|valkey)-server/);
  } finally {
    child.kill();
    await child;
  }
});

function prepare(env: Record<string, string> = {}) {
  return execa(join(bin, 'sh'), ['packages/cli/setup/prepare.sh'], {
    cwd: clone,
    env: { PATH: bin, HOME: clone, ...env },
    extendEnv: false,
    reject: false,
  });
}

function program(name: string, script: string): void {
  writeFileSync(join(bin, name), `#!${join(bin, 'sh')}\n${script}\n`);
  chmodSync(join(bin, name), 0o755);
}

function calls(): string[] {
  const file = join(clone, 'calls');
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
}

function onPath(tool: string): string {
  const folder = (process.env['PATH'] ?? '').split(delimiter).find((each) => existsSync(join(each, tool)));
  if (folder === undefined) throw new Error(`no ${tool} on PATH`);
  return join(folder, tool);
}
