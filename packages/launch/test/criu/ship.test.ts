import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { skipUnless } from '../../../../test/kit/needs.ts';
import { capsuleBinary, receiveInto, send } from '../../src/criu/index.ts';
import { isAlive } from '../shepherd/kit.ts';
import { newTop, until } from './kit.ts';
import { archiveEnd, cutting, dial, holding, impostor, member, proven } from './wire.ts';

const host = '127.0.0.1';
const timeoutMs = 20_000;
const failed = (message: RegExp) => ({ code: 'SHIP_FAILED', message: expect.stringMatching(message) as string });

/** An image and a folder to be sent, by their paths. */
function cargo(top = newTop(), bytes = 100_000) {
  const [image, folder] = [join(top, 'some image'), join(top, 'jobs')];
  for (const each of ['criu', 'log']) mkdirSync(join(image, each), { recursive: true });
  mkdirSync(folder);
  writeFileSync(join(image, 'criu', 'pages-1.img'), Buffer.alloc(bytes, 'memory '));
  writeFileSync(join(image, 'log', 'dump.log'), 'for people');
  writeFileSync(join(image, 'manifest.json'), '{}\n');
  writeFileSync(join(folder, 'out'), 'line\n');
  return { image, folder };
}

const receive = (into: string, more: { readonly timeoutMs?: number; readonly host?: string } = {}) =>
  receiveInto({ host, into, timeoutMs, ...more });

/** Everything below a folder, with what must not change on the way. */
function listing(top: string, folder = ''): readonly unknown[] {
  return readdirSync(join(top, folder))
    .sort()
    .flatMap((name) => {
      const path = join(folder, name);
      const { mode, mtimeNs, nlink, size } = lstatSync(join(top, path), { bigint: true });
      const kind = Number(mode) & 0o170000;
      if (kind === 0o040000) return [{ path, mode, mtimeNs }, ...listing(top, path)];
      if (kind === 0o120000) return [{ path, mode, mtimeNs, link: readlinkSync(join(top, path)) }];
      return [{ path, mode, mtimeNs, nlink, size }];
    });
}

test('an image and a folder arrive as they were, without the logs', async () => {
  const { image, folder } = cargo();
  const odd = 'a "new"\nline, ünd %s';
  writeFileSync(join(folder, odd), 'odd');
  chmodSync(join(folder, odd), 0o4751);
  linkSync(join(folder, odd), join(folder, 'linked'));
  symlinkSync('/etc/passwd', join(folder, 'absolute'));
  symlinkSync('../some image/criu', join(folder, 'relative'));
  mkdirSync(join(folder, 'locked', 'empty'), { recursive: true });
  writeFileSync(join(folder, 'locked', 'file'), '');
  chmodSync(join(folder, 'locked'), 0o555);
  writeFileSync(join(folder, 'holes'), 'end');
  truncateSync(join(folder, 'holes'), 1 << 30);
  utimesSync(join(folder, 'out'), 1234567890.5, 1234567890.25);
  execFileSync('mkfifo', [join(folder, 'pipe')]);

  const into = join(newTop(), 'arriving');
  const receiving = await receive(into);
  const { bytes } = await send({ to: receiving, image, folder, timeoutMs });
  await receiving.done;
  expect(bytes).toBeGreaterThan(100_000);
  // A gigabyte of nothing costs nothing.
  expect(bytes).toBeLessThan(2_000_000);
  expect(listing(join(into, 'folder'))).toEqual(listing(folder));
  expect(statSync(join(into, 'folder', 'holes')).blocks).toBeLessThan(100);
  expect(readdirSync(into).sort()).toEqual(['folder', 'image']);
  expect(readdirSync(join(into, 'image')).sort()).toEqual(['criu', 'manifest.json']);
  expect(readFileSync(join(into, 'image', 'criu', 'pages-1.img'))).toEqual(
    readFileSync(join(image, 'criu', 'pages-1.img')),
  );
  chmodSync(join(folder, 'locked'), 0o755);
  chmodSync(join(into, 'folder', 'locked'), 0o755);
});

test('a socket in the folder stays behind; paths may have any character, and one begin as the other', async () => {
  const top = join(newTop(), 'a.b*[c]\\d$,e^');
  mkdirSync(top);
  const { image } = cargo(top);
  const folder = `${image} and more`;
  mkdirSync(folder);
  writeFileSync(join(folder, 'out'), 'x');
  const server = createServer().listen(join(folder, 's'));
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const into = join(newTop(), 'into');
  const receiving = await receive(into);
  await send({ to: receiving, image, folder, timeoutMs });
  await receiving.done;
  expect(readdirSync(join(into, 'folder'))).toEqual(['out']);
  expect(readdirSync(join(into, 'image')).sort()).toEqual(['criu', 'manifest.json']);
});

test('what was there before is not mixed with it; an image alone may be sent', async () => {
  const into = newTop();
  mkdirSync(join(into, 'image'));
  writeFileSync(join(into, 'image', 'old'), '');
  const receiving = await receive(into);
  await send({ to: receiving, image: cargo().image, timeoutMs });
  await receiving.done;
  expect(readdirSync(into)).toEqual(['image']);
  expect(readdirSync(join(into, 'image')).sort()).toEqual(['criu', 'manifest.json']);
});

test('the rest is under way while the manifest is still to be written', async () => {
  // tar sends records of 256 KiB.
  const { image, folder } = cargo(undefined, 1_000_000);
  execFileSync('rm', [join(image, 'manifest.json')]);
  const into = join(newTop(), 'into');
  const receiving = await receive(into);
  let seal = (): void => undefined;
  const sealed = new Promise<void>((resolve) => (seal = resolve));
  const sending = send({ to: receiving, image, folder, sealed, timeoutMs });
  await until(() => existsSync(join(into, 'image', 'criu')));
  writeFileSync(join(image, 'manifest.json'), 'late');
  seal();
  await sending;
  await receiving.done;
  expect(readFileSync(join(into, 'image', 'manifest.json'), 'utf8')).toBe('late');
});

test('a file that gets another name while it is sent is no error', async () => {
  const { image, folder } = cargo();
  // More than waits in buffers on the way.
  writeFileSync(join(folder, 'big'), Buffer.alloc(80_000_000));
  const into = join(newTop(), 'into');
  const receiving = await receive(into);
  const to = await holding(receiving, 1_000_000, () => linkSync(join(folder, 'big'), join(image, 'log', 'big')));
  await send({ to, image, folder, timeoutMs });
  await receiving.done;
  expect(statSync(join(into, 'folder', 'big')).size).toBe(80_000_000);
});

test('where the manifest cannot be written neither side takes it for whole', async () => {
  const { image, folder } = cargo(undefined, 1_000_000);
  const into = join(newTop(), 'into');
  const receiving = await receive(into);
  const sealed = until(() => existsSync(join(into, 'image', 'criu'))).then(() => {
    throw new Error('no more room');
  });
  await expect(send({ to: receiving, image, folder, sealed, timeoutMs })).rejects.toMatchObject(failed(/no more room/));
  await expect(receiving.done).rejects.toMatchObject(failed(/too early|broke/));
});

test.each(['localhost', '::1', linkLocal()].filter((each) => each !== undefined))(
  'by %s, a name or an address',
  async (name) => {
    const receiving = await receive(newTop(), { host: name });
    expect(receiving).toMatchObject({ host: name, token: expect.stringMatching(/^[0-9a-f]{64}$/) as string });
    await send({ to: receiving, image: cargo().image, timeoutMs });
    await receiving.done;
  },
);

function linkLocal(): string | undefined {
  for (const [name, addresses = []] of Object.entries(networkInterfaces())) {
    for (const { address } of addresses) if (address.startsWith('fe80:')) return `${address}%${name}`;
  }
  return undefined;
}

test('a host that is not this machine is refused with its name', async () => {
  await expect(receive(newTop(), { host: '192.0.2.1' })).rejects.toMatchObject(failed(/192\.0\.2\.1/));
  await expect(receive(newTop(), { host: 'no-such-host.invalid' })).rejects.toMatchObject(failed(/no-such-host/));
});

describe('who is not meant', () => {
  test('cannot send: neither with another token, nor by holding the door', async () => {
    const receiving = await receive(newTop());
    const { image } = cargo();
    await Promise.all(Array.from({ length: 40 }, () => dial(receiving)));
    const wrong = await dial(receiving);
    wrong.socket.write('f'.repeat(32));
    await wrong.closed;
    expect(wrong.heard()).toBe('');
    const other = { ...receiving, token: 'f'.repeat(64) };
    await expect(send({ to: other, image, timeoutMs })).rejects.toMatchObject(failed(/refuses the token/));
    await send({ to: receiving, image, timeoutMs });
    await receiving.done;
  });

  test('cannot receive: one who listens there without the token gets no byte of the image', async () => {
    let heard = '';
    const port = await impostor((text) => (heard += text));
    const token = 'ab'.repeat(32);
    const sending = send({ to: { host, port, token }, image: cargo().image, timeoutMs });
    await expect(sending).rejects.toMatchObject(failed(/does not know the token/));
    expect(heard).toBe(token.slice(0, 32));
  });

  test('finds nobody listening after the one connection, and no token in the command lines', async () => {
    const receiving = await receive(newTop());
    const { image } = cargo();
    const lines = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' });
    expect(lines).toContain('omx-capsule listen');
    expect(lines).not.toContain(receiving.token.slice(0, 32));
    await send({ to: receiving, image, timeoutMs });
    await receiving.done;
    await expect(dial(receiving)).rejects.toThrow('ECONNREFUSED');
    await expect(send({ to: receiving, image, timeoutMs })).rejects.toMatchObject(failed(/Connection refused/));
  });
});

describe('an end in the middle', () => {
  test.each([40, 5000, 90_000])('a stream cut after %i bytes is an error on both sides', async (bytes) => {
    const receiving = await receive(newTop());
    const { image, folder } = cargo();
    const to = await cutting(receiving, bytes);
    await expect(send({ to, image, folder, timeoutMs })).rejects.toMatchObject(failed(/too early|broke|gone away/));
    await expect(receiving.done).rejects.toMatchObject(failed(/too early|broke/));
  });

  test('a stream that ends between two members is not whole', async () => {
    const into = newTop();
    const receiving = await receive(into);
    const { socket, heard, closed } = await proven(receiving);
    socket.end(
      Buffer.concat([member('image/criu/', { type: '5' }), member('image/criu/x', { body: 'x' }), archiveEnd]),
    );
    await expect(receiving.done).rejects.toMatchObject(failed(/the stream ended too early/));
    await closed;
    expect(heard()).toBe(`${receiving.token.slice(32)}-the stream ended too early\n`);
  });

  test('a sender that cannot read all of it fails, and the receiver does not take it for whole', async () => {
    const { image, folder } = cargo();
    const receiving = await receive(newTop());
    const missing = join(folder, 'missing');
    await expect(send({ to: receiving, image, folder: missing, timeoutMs })).rejects.toMatchObject(
      failed(/No such file/),
    );
    expect(existsSync(folder)).toBe(true);
    await expect(receiving.done).rejects.toMatchObject(failed(/too early|broke/));
  });

  test('time runs out on both sides, and what is stopped listens no more', async () => {
    const late = await receive(newTop(), { timeoutMs: 100 });
    await expect(late.done).rejects.toMatchObject(failed(/longer than 0\.1 s/));
    const stopped = await receive(newTop());
    await stopped.stop();
    await expect(stopped.done).rejects.toMatchObject(failed(/stopped/));
    for (const each of [late, stopped]) await expect(dial(each)).rejects.toThrow('ECONNREFUSED');
    const waiting = await receive(newTop());
    const sealed = new Promise(() => undefined);
    const sending = send({ to: waiting, image: cargo().image, sealed, timeoutMs: 300 });
    await expect(Promise.race([sending, waiting.done])).rejects.toMatchObject(failed(/longer than 0\.3 s|broke|early/));
  });

  test('both ends die with whoever started them', async () => {
    const env = { ...process.env, OMX_SHIP_TOKEN: 'ab'.repeat(32) };
    const script = '"$0" listen 127.0.0.1 -- sleep 1000 & echo $!; wait';
    const shell = spawn('sh', ['-c', script, capsuleBinary()], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    shell.stdout.on('data', (chunk) => (said += String(chunk)));
    await until(() => said.split('\n').length === 3);
    const [pid = 0, port = 0] = said
      .trim()
      .split('\n')
      .map(Number)
      .sort((a, b) => b - a);
    const pids = [pid, port].filter((each) => isAlive(each));
    shell.kill('SIGKILL');
    await until(() => !pids.some(isAlive));
    const ports = [pid, port].map((each) =>
      dial({ host, port: each }).then(
        () => 'open',
        () => 'closed',
      ),
    );
    expect(await Promise.all(ports)).toEqual(['closed', 'closed']);
  });
});

test('a full disk is told on both sides', skipUnless('root'), async () => {
  const small = join(newTop(), 'small');
  mkdirSync(small);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', small]);
  try {
    const receiving = await receive(join(small, 'into'));
    const sending = send({ to: receiving, image: cargo(undefined, 5_000_000).image, timeoutMs });
    await expect(sending).rejects.toMatchObject(failed(/no room on the other node’s disk/));
    await expect(receiving.done).rejects.toMatchObject(failed(/no room on this node’s disk/));
  } finally {
    execFileSync('umount', [small]);
  }
});

test(
  'a network that falls silent ends both sides within some ten seconds',
  { ...skipUnless('root'), timeout: 60_000 },
  async () => {
    const top = newTop();
    const net = spawn('unshare', ['-n', 'sh', '-c', 'ip link set lo up && echo up && exec sleep 1000'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void net.kill('SIGKILL'));
    await once(net.stdout, 'data');
    const inside = ['nsenter', `--net=/proc/${net.pid}/ns/net`];
    const wrapper = join(top, 'capsule');
    writeFileSync(wrapper, `#!/bin/sh\nexec ${inside.join(' ')} ${capsuleBinary()} "$@"\n`, { mode: 0o755 });
    const before = process.env['OMX_CAPSULE'];
    process.env['OMX_CAPSULE'] = wrapper;
    onTestFinished(() => {
      if (before === undefined) delete process.env['OMX_CAPSULE'];
      else process.env['OMX_CAPSULE'] = before;
    });
    const { image } = cargo(undefined, 1_000_000);
    const into = join(top, 'into');
    const receiving = await receive(into, { timeoutMs: 50_000 });
    const sealed = new Promise<void>(
      (resolve) =>
        void until(() => existsSync(join(into, 'image', 'criu'))).then(() => {
          execFileSync(inside[0] ?? '', [...inside.slice(1), 'ip', 'link', 'set', 'lo', 'down']);
          resolve();
        }),
    );
    const begin = performance.now();
    await expect(send({ to: receiving, image, sealed, timeoutMs: 50_000 })).rejects.toMatchObject(failed(/broke/));
    await expect(receiving.done).rejects.toMatchObject(failed(/broke/));
    expect(performance.now() - begin).toBeLessThan(25_000);
  },
);
