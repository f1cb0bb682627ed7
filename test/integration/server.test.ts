import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { isOmxError } from '@omx/core';
import { connect, requireSafeServer } from '@omx/queue';
import { answers, ensureServer, homeAt, serverPid, stopServer } from '@omx/queue/embedded';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { useRedis } from '../kit/redis.ts';
import { until } from '../kit/until.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync('/tmp/omx-home-');
});
afterEach(async () => {
  await stopServer(homeAt(dir, process.env));
  rmSync(dir, { recursive: true, force: true });
});

const codeOf = async (work: Promise<unknown>): Promise<string | undefined> =>
  work.then(
    () => undefined,
    (error: unknown) => (isOmxError(error) ? error.code : String(error)),
  );

describe('the embedded server', () => {
  test('ten at once start one', async () => {
    const home = homeAt(dir, process.env);
    await Promise.all(Array.from({ length: 10 }, async () => ensureServer(home, process.env)));
    const pid = serverPid(home);
    expect(pid).toBeGreaterThan(1);
    await ensureServer(home, process.env);
    expect(serverPid(home)).toBe(pid);
  });

  test('a pid file left by a crash, or naming another program, is no server', async () => {
    const home = homeAt(dir, process.env);
    writeFileSync(home.redisPidFile, `${process.pid}\n`);
    await ensureServer(home, process.env);
    expect(serverPid(home)).not.toBe(process.pid);
  });

  test('what was written is there after SIGKILL', async () => {
    const home = homeAt(dir, process.env);
    await ensureServer(home, process.env);
    const before = await connect({ socket: home.redisSocket });
    await before.set('kept', 'yes');
    process.kill(serverPid(home) as number, 'SIGKILL');
    before.disconnect();
    await until(async () => !(await answers(home.redisSocket)));
    await ensureServer(home, process.env);
    const after = await connect({ socket: home.redisSocket });
    expect(await after.get('kept')).toBe('yes');
    after.disconnect();
  });

  test('a home whose path is too long for a socket works, with the socket elsewhere', async () => {
    const deep = join(dir, 'd'.repeat(120));
    mkdirSync(deep);
    const home = homeAt(deep, process.env);
    expect(Buffer.byteLength(home.redisSocket)).toBeLessThan(108);
    await ensureServer(home, process.env);
    expect(await answers(home.redisSocket)).toBe(true);
    await stopServer(home);
    expect(await answers(home.redisSocket)).toBe(false);
  });

  test('a home that cannot be written is refused by name', async () => {
    writeFileSync(join(dir, 'file'), '');
    expect(await codeOf(ensureServer(homeAt(join(dir, 'file'), process.env), process.env))).toBe('HOME_UNWRITABLE');
  });

  test('no server program: the error says how to get one', async () => {
    const env = { ...process.env, OMX_REDIS_SERVER: '/nowhere/redis-server' };
    expect(await codeOf(ensureServer(homeAt(dir, env), env))).toBe('REDIS_MISSING');
  });

  test('a server that does not come up: the error shows its log', async () => {
    const env = { ...process.env, OMX_REDIS_SERVER: '/bin/false' };
    expect(await codeOf(ensureServer(homeAt(dir, env), env))).toBe('REDIS_START');
  });
});

describe('a server of somebody else’s', () => {
  const server = useRedis();

  test('that evicts is refused', async () => {
    const redis = await connect({ socket: server.socket });
    await requireSafeServer(redis, 'the test');
    await redis.config('SET', 'maxmemory-policy', 'allkeys-lru');
    expect(await codeOf(requireSafeServer(redis, 'the test'))).toBe('REDIS_UNSAFE');
    await redis.config('SET', 'maxmemory-policy', 'noeviction');
    redis.disconnect();
  });

  test('that wants a password says so', async () => {
    const redis = await connect({ socket: server.socket });
    await redis.config('SET', 'requirepass', 'secret');
    expect(await codeOf(connect({ url: `unix://${server.socket}` }))).toBe('REDIS_AUTH');
    await redis.config('SET', 'requirepass', '');
    redis.disconnect();
  });

  test('that is not there is unreachable at once', async () => {
    expect(await codeOf(connect({ url: 'redis://127.0.0.1:1' }))).toBe('REDIS_UNREACHABLE');
    expect(await codeOf(connect({ url: 'http://localhost' }))).toBe('REDIS_URL');
  });

  test('that goes away for a moment is waited for', async () => {
    const said: string[] = [];
    const redis = await connect(
      { socket: server.socket },
      { onLost: () => said.push('lost'), onBack: () => said.push('back') },
    );
    await redis.set('a', '1');
    await server.kill();
    const reply = redis.get('a');
    await server.restart();
    expect(await reply).toBe('1');
    expect(said).toEqual(['lost', 'back']);
    redis.disconnect();
  });
});
