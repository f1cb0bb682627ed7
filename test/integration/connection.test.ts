import {
  BatchStore,
  connect,
  globalKeys,
  openConnection,
  queueClock,
  requireSafeServer,
  schemaVersion,
} from '@omx/queue';
import { Delivery } from '@omx/queue/delivery';
import { afterEach, describe, expect, test } from 'vitest';

import { redisOnPort, useRedis } from '../kit/redis.ts';
import { arraySpec } from '../kit/spec.ts';
import { until } from '../kit/until.ts';

const server = useRedis();
const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

describe('a server that falls silent', () => {
  const silentMs = 300;

  function open() {
    const redis = openConnection({ socket: server.socket }, { silentMs });
    const errors: string[] = [];
    let connections = 0;
    redis.on('error', (error: Error) => errors.push(error.message));
    redis.on('ready', () => (connections += 1));
    closing.push(() => redis.disconnect());
    return { redis, errors, connections: () => connections };
  }

  test('the connection is replaced, and what had no answer is asked again', async () => {
    const { redis, errors, connections } = open();
    await redis.set('k', '1');
    process.kill(server.pid(), 'SIGSTOP');
    closing.push(() => process.kill(server.pid(), 'SIGCONT'));
    const answer = redis.get('k');
    await until(() => errors.some((error) => error.includes('no answer')));
    process.kill(server.pid(), 'SIGCONT');
    expect(await answer).toBe('1');
    expect(connections()).toBe(2);
  });

  test('one that only listens is left alone, and still hears', async () => {
    const { redis, errors, connections } = open();
    const heard: string[] = [];
    redis.on('message', (_, text: string) => heard.push(text));
    await redis.subscribe('news');
    const other = open();
    const since = performance.now();
    await until(() => performance.now() - since > 3 * silentMs);
    await other.redis.publish('news', 'hello');
    await until(() => heard.length > 0);
    expect({ heard, errors, connections: connections() }).toEqual({ heard: ['hello'], errors: [], connections: 1 });
  });

  test('one command after long idleness is no silence', async () => {
    const { redis, errors } = open();
    await redis.ping();
    const since = performance.now();
    await until(() => performance.now() - since > 3 * silentMs);
    expect(await redis.ping()).toBe('PONG');
    expect(errors).toEqual([]);
  });
});

describe('records of another version', () => {
  const at = { socket: server.socket };

  test.each([
    [schemaVersion + 1, /install the same one/],
    [schemaVersion - 1, /let it finish/],
  ])('%d are refused', async (version, hint) => {
    const redis = await connect(at);
    closing.push(() => redis.disconnect());
    await redis.set(globalKeys.schema, version);
    await expect(connect(at)).rejects.toMatchObject({
      code: 'QUEUE_VERSION',
      exitCode: 3,
      message: expect.stringContaining(`version ${version}`),
      hint: expect.stringMatching(hint),
    });
    const any = await connect(at, { anyVersion: true });
    any.disconnect();
    await redis.set(globalKeys.schema, schemaVersion);
    (await connect(at)).disconnect();
  });
});

test('a replica is refused by name', async () => {
  const primary = await redisOnPort([]);
  closing.push(primary.stop);
  const replica = await redisOnPort(['--replicaof', '127.0.0.1', String(primary.port)]);
  closing.push(replica.stop);
  const redis = openConnection({ url: `redis://127.0.0.1:${replica.port}` });
  closing.push(() => redis.disconnect());
  await expect(requireSafeServer(redis, 'there')).rejects.toMatchObject({ code: 'REDIS_READONLY', exitCode: 3 });
});

describe('a machine whose clock is off', () => {
  afterEach(() => queueClock.hear(timeReply(0), Date.now()));

  function timeReply(offMs: number): [string, string] {
    const ms = Date.now() - offMs;
    return [String(Math.floor(ms / 1000)), String(Math.round(ms % 1000) * 1000)];
  }

  test.each([3_600_000, -3_600_000])('by %d ms: delayed chunks come when they are due', async (offMs) => {
    const redis = await connect({ socket: server.socket });
    closing.push(() => redis.disconnect());
    // As if the server's clock were the one that is off: what counts is that only its time is used.
    queueClock.hear(timeReply(offMs), Date.now());
    const batches = new BatchStore(redis);
    const spec = arraySpec(1);
    const { id } = await batches.submit({ spec, total: 1, order: [], untouched: 'queued' });
    const delivery = new Delivery(redis, { socket: server.socket }, () => {});
    closing.push(() => delivery.close());
    const at = queueClock.now() + 400;
    await batches.offer(id, [{ spans: [{ first: 0, last: 0 }], at }]);
    await delivery.dispatch(id, () => 'any', 0);
    expect(await delivery.take('any')).toBeUndefined();
    const chunk = await until(() => delivery.take('any'), { timeoutMs: 3000 });
    expect(queueClock.now()).toBeGreaterThanOrEqual(at);
    await chunk.done();
  });
});
