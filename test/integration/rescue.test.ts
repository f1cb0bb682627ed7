import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { applyEvent, type Batch, isIllegal, type JobEvent, type NodeInfo, noUsage } from '@omx/core';
import { BatchStore, connect, globalKeys, JobStore, NodeStore, type Redis } from '@omx/queue';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { adopt } from '../../workers/node/src/adoption.ts';
import { Attempts } from '../../workers/node/src/attempt.ts';
import { BatchCache } from '../../workers/node/src/batch-cache.ts';
import { Rescuer } from '../../workers/node/src/rescue.ts';
import { useRedis } from '../kit/redis.ts';
import { arraySpec } from '../kit/spec.ts';
import { until } from '../kit/until.ts';

const server = useRedis();
const leaseMs = 100;
let redis: Redis;
let batches: BatchStore;
let jobs: JobStore;
let nodes: NodeStore;
let rescuer: Rescuer;

beforeEach(async () => {
  redis = await connect({ socket: server.socket });
  batches = new BatchStore(redis);
  jobs = new JobStore(batches);
  nodes = new NodeStore(redis);
  rescuer = new Rescuer({ batches, jobs, nodes, self: 'vega', place: 'here', log: pino({ level: 'silent' }) });
});
afterEach(() => redis.disconnect());

/** A batch whose first job is leased to altair, which has described itself. */
async function leased(onLost: NodeInfo['onLost'] = 'pause'): Promise<Batch> {
  const env = await batches.keepEnvironment([]);
  const spec = arraySpec(2, { env });
  const order = [{ first: 0, last: 1 }];
  const batch = await batches.load((await batches.submit({ spec, total: 2, order, untouched: 'queued' })).id);
  await change(batch, { type: 'lease', node: await batches.nodeNumber(batch.id, 'altair') });
  await nodes.describe({ name: 'altair', leaseMs, onLost, place: 'elsewhere', lastSeen: 0, state: 'up' } as NodeInfo);
  await nodes.takeLease('altair', 'its folder', leaseMs);
  return batch;
}

async function change(batch: Batch, event: JobEvent): Promise<void> {
  const [snapshot] = await jobs.read(batch, [0]);
  if (snapshot === undefined) throw new Error('no such job');
  const next = applyEvent(snapshot.job, event);
  if (isIllegal(next)) throw new Error(next.why);
  await jobs.write(batch, [{ snapshot, next }]);
}

async function statusOf(batch: Batch): Promise<string | undefined> {
  return (await jobs.read(batch, [0]))[0]?.job.status;
}

describe('the rescue of a lost node’s jobs', () => {
  test('does not wait for a lease that lasts, as the server’s clock was set back', async () => {
    const batch = await leased();
    await redis.pexpire(globalKeys.nodeLease('altair'), 3_600_000);
    await until(
      async () => {
        await rescuer.rescueLostNodes();
        return statusOf(batch);
      },
      { is: (status) => status === 'queued' },
    );
  });

  test('leaves a job that its user has frozen on the node’s disk, until it is said that the node is gone', async () => {
    const batch = await leased();
    await change(batch, { type: 'start', attempt: 1, at: Date.now(), launcher: 'criu' });
    await change(batch, { type: 'wish', wish: 'freeze' });
    await change(batch, { type: 'freeze', attempt: 1 });
    const rescuedWhile = async (is: (status: string | undefined) => boolean): Promise<void> => {
      await until(
        async () => {
          await rescuer.rescueLostNodes();
          return statusOf(batch);
        },
        { is },
      );
    };
    const looks = performance.now() + 5 * leaseMs;
    await rescuedWhile((status) => status !== 'frozen' || performance.now() > looks);
    expect(await statusOf(batch)).toBe('frozen');
    await nodes.want('altair', { state: 'gone', reason: '' });
    await rescuedWhile((status) => status === 'queued');
  });

  test('leaves a node that renews alone, and one that another is rescuing', async () => {
    await leased();
    const count = (await nodes.beats()).get('altair') ?? 0;
    await nodes.takeLease('altair', 'its folder', leaseMs);
    expect(await nodes.claimLease('altair', 'vega', count, 1000)).toBe(false);
    expect(await nodes.claimLease('altair', 'vega', count + 1, 1000)).toBe(true);
    expect(await nodes.claimLease('altair', 'deneb', count + 1, 1000)).toBe(false);
    expect(await nodes.takeLease('altair', 'its folder', leaseMs)).toBe('rescuer');
  });

  test('forgets a node that is gone only once its jobs are free', async () => {
    const batch = await leased('finish');
    await nodes.want('altair', { state: 'gone', reason: '' });
    // The queue takes no more writes to the record for now.
    const sums = `omx:{${batch.id}}:sums`;
    await redis.rename(sums, 'aside');
    await redis.set(sums, 'in the way');
    await until(async () =>
      rescuer.rescueLostNodes().then(
        () => false,
        (error: unknown) => String(error).includes('WRONGTYPE'),
      ),
    );
    expect((await nodes.described()).map(({ name }) => name)).toEqual(['altair']);
    await redis.rename('aside', sums);
    await until(async () => {
      await rescuer.rescueLostNodes();
      return (await nodes.described()).length === 0;
    });
    expect(await statusOf(batch)).toBe('queued');
  });
});

test('a wish that is replaced while a node fulfils it is not forgotten', async () => {
  await nodes.want('altair', { state: 'trusted', reason: '' });
  const wish = await nodes.wanted('altair');
  await nodes.want('altair', { state: 'drained', reason: 'new disk' });
  if (wish !== undefined) await nodes.fulfilled('altair', wish);
  const newer = await nodes.wanted('altair');
  expect(newer).toMatchObject({ state: 'drained', reason: 'new disk' });
  if (newer !== undefined) await nodes.fulfilled('altair', newer);
  expect(await nodes.wanted('altair')).toBeUndefined();
});

test('a worker that died after its report and before the shepherd heard of it leaves the output on the node', async () => {
  const batch = await leased();
  await change(batch, {
    type: 'end',
    attempt: 1,
    at: Date.now(),
    outcome: { kind: 'succeeded' },
    usage: noUsage,
    output: { place: 'node', outBytes: 100_000, errBytes: 0, truncated: false },
    started: { at: Date.now(), launcher: 'plain' },
  });
  const outputKept = await adopt({
    shepherd: { hello: { running: [], unreported: [`${batch.id}.1#1`, `${batch.id}.2#1`, 'self-test#7.1'] }, end() {} },
    attempts: new Attempts(),
    cache: new BatchCache(batches, 'altair', { choose: () => Promise.reject(new Error('nothing is started here')) }),
    jobs,
    rescuer,
    executor: { copyStarted() {}, startAnew: async () => {}, hearEnd() {} },
    resumer: { adopt: async () => {}, removeOthers() {} },
    frozen: { adopt: () => false, adoptRunning() {}, keys: () => [], remove() {} },
    node: 'altair',
    nodeDir: join(tmpdir(), 'omx-has-no-such-folder'),
  });
  expect([...outputKept]).toEqual([`${batch.id}.1#1`]);
});
