import { probedCommands } from '@omx/queue';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { askRedis } from '../kit/ask-redis.ts';
import { useHome } from '../kit/home.ts';
import { redisOnPort } from '../kit/redis.ts';
import { until } from '../kit/until.ts';

/** As docs/settings.md has it. */
const enough = '~omx:* ~{omx:* &omx:* +@all -@admin';

describe('a Redis user', () => {
  const home = useHome({ shared: true });
  let server: Awaited<ReturnType<typeof redisOnPort>>;

  beforeAll(async () => {
    server = await redisOnPort([]);
  });
  afterAll(async () => server.stop());

  async function admin(command: string): Promise<string> {
    return askRedis({ host: '127.0.0.1', port: server.port }, command);
  }
  async function keys(): Promise<string[]> {
    return [...(await admin('KEYS *')).matchAll(/^[^*$].*$/gm)].map(([key]) => key);
  }
  async function userWith(rights: string): Promise<string> {
    expect(await admin(`ACL SETUSER ann reset on >secret ${rights}`)).toBe('+OK\r\n');
    return `redis://ann:secret@127.0.0.1:${server.port}`;
  }

  test('with the rights that are recommended can do everything, and no command is forgotten in the list', async () => {
    const url = await userWith(enough);
    const omx = async (...args: string[]) => home.omx(args, { env: { OMX_REDIS_URL: url } });
    await admin('CONFIG RESETSTAT');
    const worker = home.omxSpawn(['worker', '--name', 'n', '--slots', '2'], { env: { OMX_REDIS_URL: url } });
    await until(async () => (await omx('nodes', '--json')).jsonLines().length === 1);
    const batch = ['--array', '1-100%20', '--retries', '1', '--backoff', '10ms', '--shell'];
    expect((await omx('submit', '--wait', ...batch, 'exit $(({} % 10 == 0))')).code).toBe(1);
    for (const args of [['status'], ['jobs', 'b1'], ['logs', 'b1'], ['why', 'b1'], ['doctor', 'b1'], ['rerun', 'b1']])
      expect((await omx(...args)).stderr).toBe('');
    expect((await omx('cancel', 'b1')).code).toBe(0);
    worker.kill();
    expect((await worker.ended).code).toBe(0);
    const used = [...(await admin('INFO commandstats')).matchAll(/cmdstat_([\w|]+):/g)].map(([, name = '']) => name);
    // How a connection is opened, what this test asks, and subcommands, which go with their command.
    const apart = new Set([
      'hello',
      'auth',
      'client|setinfo',
      'client|setname',
      'config|resetstat',
      'acl|setuser',
      'pubsub|numsub',
    ]);
    const probed = new Set(probedCommands);
    expect(used.filter((name) => !probed.has(name.split('|')[0] ?? '') && !apart.has(name))).toEqual([]);
    expect(used.length).toBeGreaterThan(30);
  });

  test.each([
    ['commands', `${enough} -eval -evalsha -zadd -@hash`, /may not use the commands .*eval.*hset/s],
    ['one command', `${enough} -rpush`, /may not use the command rpush/],
    ['the keys of chunks', '~omx:* &omx:* +@all -@admin', /may not touch keys like \{omx:\*/],
    ['all keys but others', '~other:* &omx:* +@all -@admin', /may not touch keys like omx:\* and \{omx:\*/],
    ['channels', '~omx:* ~{omx:* resetchannels +@all -@admin', /may not use channels like omx:\*/],
    ['writing', '~omx:* ~{omx:* &omx:* +@read +@connection +info', /may not use the commands set, .*publish, .*hset/s],
  ])('without the rights for %s is refused by name, before anything is written', async (_, rights, message) => {
    const url = await userWith(rights);
    const before = await keys();
    for (const args of [
      ['submit', '--redis', url, 'true'],
      ['worker', '--redis', url, '--name', 'm'],
    ]) {
      const refused = await home.omx(args, { timeoutMs: 15_000 });
      expect(refused.stderr).toMatch(message);
      expect(refused.stderr).toMatch(/^error: cannot use the queue at redis:\/\/ann:\*\*\*@[^\n]+\nhint: {2}[^\n]+\n$/);
      expect(refused.stderr).toContain('ACL SETUSER ann');
      expect(refused.stderr).toContain(enough);
      expect(refused.code).toBe(3);
    }
    expect((await keys()).filter((key) => !before.includes(key))).toEqual([]);
  });

  test('refused on the way is told all that is missing, not only what was met', async () => {
    const url = await userWith(`${enough} -hgetall -smembers`);
    const refused = await home.omx(['nodes', '--json', '--redis', url]);
    expect(refused).toMatchObject({ code: 3, stdout: '' });
    expect(JSON.parse(refused.stderr).error).toMatchObject({
      code: 'REDIS_RIGHTS',
      message: expect.stringMatching(/'ann' may not use the commands hgetall, smembers$/),
    });
    const doctor = (await home.omx(['doctor', '--json', '--redis', url])).json();
    expect(doctor.checks).toContainEqual(
      expect.objectContaining({ verdict: 'fail', reason: expect.stringContaining('hgetall') }),
    );
  });

  test('who cannot even ask whether the server is there is told so', async () => {
    const url = await userWith('~omx:* +get');
    const refused = await home.omx(['status', '--redis', url]);
    expect(refused.stderr).toMatch(/may not use the commands .*ping/);
    expect(refused.code).toBe(3);
  });

  test('that may only listen in part is noticed by the worker and by doctor', async () => {
    const url = await userWith(`${enough} -subscribe`);
    const refused = await home.omx(['worker', '--name', 'm', '--redis', url], { timeoutMs: 15_000 });
    expect(refused.stderr).toMatch(/may not use the command subscribe/);
    const doctor = await home.omx(['doctor', '--redis', url]);
    expect(doctor.stdout).toMatch(/fail +rights .*subscribe/);
    expect(doctor.code).toBe(1);
  });

  test('of a replica is told that it takes no writes', async () => {
    const replica = await redisOnPort(['--replicaof', '127.0.0.1', String(server.port)]);
    const url = `redis://127.0.0.1:${replica.port}`;
    const there = { host: '127.0.0.1', port: replica.port };
    await until(() => askRedis(there, 'EXISTS omx:{b1}:meta'), { is: (reply) => reply === ':1\r\n' });
    for (const args of [
      ['submit', '--redis', url, 'true'],
      ['rerun', '--redis', url, 'b1'],
    ]) {
      const refused = await home.omx(args);
      expect(refused.stderr).toMatch(
        /^error: cannot keep a queue in this server: it is a replica[^\n]+\nhint: [^\n]+\n$/,
      );
      expect(refused.code).toBe(3);
    }
    await replica.stop();
  });
});
