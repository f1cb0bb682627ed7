import { type BatchId, type BatchSpec, bytesOf, defaultLimits, type Item, type Job, type NodeInfo } from '@omx/core';
import {
  BatchStore,
  connect,
  globalKeys,
  JobStore,
  NodeStore,
  orderJobs,
  placementClass,
  type Redis,
  requirementOf,
} from '@omx/queue';
import { type Chunk, Delivery } from '@omx/queue/delivery';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { type Attempt, Attempts } from '../../workers/node/src/attempt.ts';
import { BatchCache } from '../../workers/node/src/batch-cache.ts';
import { nodeInfo } from '../../workers/node/test/moving/nodes.ts';
import { NodeLaunchers } from '../../workers/node/src/node-launchers.ts';
import { ClaimRoom, nothing } from '../../workers/node/src/capacity.ts';
import { ClassList } from '../../workers/node/src/class-list.ts';
import { pruneClasses } from '../../workers/node/src/class-pruning.ts';
import { claim } from '../../workers/node/src/intake.ts';
import { losingProxy } from '../kit/losing-proxy.ts';
import { useRedis } from '../kit/redis.ts';
import { arraySpec } from '../kit/spec.ts';

const server = useRedis();
let redis: Redis;
let batches: BatchStore;
let jobs: JobStore;
let delivery: Delivery;

beforeEach(async () => {
  redis = await connect({ socket: server.socket });
  batches = new BatchStore(redis);
  jobs = new JobStore(batches);
  delivery = new Delivery(redis, { socket: server.socket }, () => {});
});
afterEach(async () => {
  await delivery.close();
  redis.disconnect();
});

async function submit(more: Partial<BatchSpec> = {}, total = 1): Promise<BatchId> {
  const spec = arraySpec(total, { env: await batches.keepEnvironment([]), ...more });
  return (await batches.submit({ spec, total, order: [{ first: 0, last: total - 1 }], untouched: 'queued' })).id;
}

/** As a worker hands it out, in the class it asks for. */
async function dispatch(id: BatchId): Promise<string> {
  const { spec } = await batches.load(id);
  const name = placementClass(requirementOf(spec));
  await delivery.dispatch(id, () => name, spec.priority);
  return name;
}

const large = { limits: { ...defaultLimits, cpus: 2 } };

describe('classes', () => {
  const node = { name: 'n1', labels: {}, maxSlots: 2, memTotal: 0, launchers: ['plain' as const] };
  const inOrder = async () => (await new ClassList(redis, delivery, node).inOrder(true, false)).map(({ name }) => name);

  test('higher priorities first, then the choosy, then the older; what the node cannot hold not at all', async () => {
    await dispatch(await submit(large));
    await dispatch(await submit());
    await dispatch(await submit({ nodes: ['n1'] }));
    await dispatch(await submit({ limits: { ...defaultLimits, memBytes: 5 }, priority: 3 }));
    await dispatch(await submit({ limits: { ...defaultLimits, cpus: 3 } }));
    await dispatch(await submit({ nodes: ['n2'] }));
    expect(await inOrder()).toEqual(['mem=5', 'node=n1', 'cpus=2', 'any']);
  });

  test('what needs a launcher that others have is theirs, and where nobody has it this node says so', async () => {
    await dispatch(await submit({ launcher: 'criu' }));
    expect(await inOrder()).toEqual(['launcher=criu']);
    await new NodeStore(redis).describe(nodeInfo('n2', { launchers: ['plain', 'criu'], labels: {} }));
    expect(await inOrder()).toEqual([]);
  });

  test('what needs a launcher that is still being tried out waits until that is known', async () => {
    await dispatch(await submit({ launcher: 'criu' }));
    await dispatch(await submit());
    const trying: Partial<NodeInfo> = { launchers: ['plain'], trying: ['criu'], labels: {} };
    const nodes = new NodeStore(redis);
    await nodes.describe(nodeInfo('n2', trying));
    // One that is down may never find out.
    expect(await inOrder()).toEqual(['launcher=criu', 'any']);
    await nodes.takeLease('n2', 'identity', 60_000);
    expect(await inOrder()).toEqual(['any']);
    await nodes.describe(nodeInfo('n2', { ...trying, trying: [] }));
    expect(await inOrder()).toEqual(['launcher=criu', 'any']);
    const self = { ...node, trying: ['criu' as const] };
    const own = await new ClassList(redis, delivery, self).inOrder(true, false);
    expect(own.map(({ name }) => name)).toEqual(['any']);
  });

  const known = async () => (await redis.smembers(globalKeys.classes)).sort();
  const active = async () => Promise.all((await batches.active()).map(async (id) => batches.find(id)));
  const cancel = async (id: BatchId) => {
    await batches.changeUntouched(await batches.load(id), 'cancelled', 'test');
    await redis.srem(globalKeys.active, id);
  };

  test('a class no active batch uses is forgotten, with the chunks nobody would take', async () => {
    const gone = await submit({ nodes: ['nobody'] });
    const name = await dispatch(gone);
    await dispatch(await submit(large));
    await pruneClasses(await active(), { batches, jobs, delivery });
    expect(await known()).toEqual(['cpus=2', 'node=nobody']);
    await cancel(gone);
    await pruneClasses(await active(), { batches, jobs, delivery });
    expect(await known()).toEqual(['cpus=2']);
    expect(await redis.keys(`*${name}*`)).toEqual([]);
  });

  test('not while a batch is being made, nor while a chunk waits for its time', async () => {
    const id = await submit({ nodes: ['n1'] });
    await dispatch(id);
    await batches.offer(id, [{ spans: [{ first: 0, last: 0 }], at: Date.now() + 60_000 }]);
    await dispatch(id);
    await cancel(id);
    await redis.sadd(globalKeys.active, 'b99');
    await pruneClasses(await active(), { batches, jobs, delivery });
    expect(await known()).toEqual(['node=n1']);
    await redis.srem(globalKeys.active, 'b99');
    await pruneClasses(await active(), { batches, jobs, delivery });
    expect(await known()).toEqual(['node=n1']);
  });

  test('a batch that is run again gets its class and its chunk back', async () => {
    const id = await submit({ nodes: ['n1'] });
    const name = await dispatch(id);
    // As in the moment in which its end is noted and a rerun queues its job.
    await redis.srem(globalKeys.active, id);
    await pruneClasses([], { batches, jobs, delivery });
    await dispatch(id);
    expect(await known()).toEqual([name]);
    expect(await batches.active()).toEqual([id]);
    expect(await delivery.take(name)).toMatchObject({ batch: id, spans: [{ first: 0, last: 0 }] });
  });
});

describe('a claim whose reply is lost', () => {
  async function claimOver(meanwhile: (id: BatchId) => Promise<void>) {
    const id = await submit({}, 2);
    const proxy = await losingProxy(server.socket);
    const shaky = await connect({ socket: proxy.socket });
    const over = new BatchStore(shaky);
    const stores = {
      batches: over,
      jobs: new JobStore(over),
      cache: new BatchCache(over, 'n1', await NodeLaunchers.detect(['plain'])),
      attempts: new Attempts(),
    };
    try {
      const runtime = await stores.cache.get(id);
      // So that the server knows the script, and the command that is lost is the claim.
      const other = await batches.load(await submit());
      await jobs.apply(other, [{ first: 0, last: 0 }], () => ({ type: 'hold' }));
      proxy.loseReplyTo('EVALSHA', async () => meanwhile(id));
      const chunk: Chunk = { batch: id, spans: [{ first: 0, last: 0 }], done: async () => {} };
      const room = new ClaimRoom({ slots: 1, maxSlots: 1, memBytes: Infinity }, 0, nothing);
      const claimed: Attempt[] = [];
      await claim(
        chunk,
        () => room,
        stores,
        (attempts) => claimed.push(...attempts),
      );
      expect(proxy.lost()).toBe(1);
      return { claimed, node: runtime?.nodeNumber, job: (await jobs.read(await batches.load(id), [0]))[0]?.job as Job };
    } finally {
      shaky.disconnect();
      proxy.close();
    }
  }

  test('holds', async () => {
    const { claimed, job, node } = await claimOver(async () => {});
    expect(job).toMatchObject({ status: 'leased', node, attempt: 1 });
    expect(claimed).toMatchObject([{ number: 1, phase: 'ready', snapshot: { job } }]);
  });

  test('holds also where the user has asked something of the job meanwhile', async () => {
    const { claimed, job } = await claimOver(async (id) => {
      await jobs.apply(await batches.load(id), [{ first: 0, last: 0 }], () => ({ type: 'wish', wish: 'cancel' }));
    });
    expect(job).toMatchObject({ status: 'leased', wish: 'cancel' });
    expect(claimed).toMatchObject([{ number: 1, snapshot: { job: { wish: 'cancel' } } }]);
  });
});

describe('--order longest', () => {
  const words = (...texts: string[]): Item[] => texts.map((text) => [bytesOf(text)]);

  /** A batch that has ended: job by job how long it took, in seconds; negative: it failed then. */
  async function finished(spec: BatchSpec, took: readonly number[], items?: readonly Item[]): Promise<void> {
    const order = [{ first: 0, last: took.length - 1 }];
    const total = took.length;
    const { id } = await batches.submit({
      spec,
      total,
      order,
      untouched: 'queued',
      ...(items === undefined ? {} : { items }),
    });
    const batch = await batches.load(id);
    await jobs.apply(batch, order, () => ({ type: 'lease', node: 1 }));
    const now = Date.now();
    await jobs.apply(batch, order, (_job, ordinal) => {
      const seconds = took[ordinal] ?? 0;
      return {
        type: 'end',
        attempt: 1,
        at: now + Math.abs(seconds) * 1000,
        outcome: seconds < 0 ? { kind: 'exited', code: 1 } : { kind: 'succeeded' },
        usage: { userUs: 0, sysUs: 0, maxRssKib: 0 },
        output: { place: 'none', outBytes: 0, errBytes: 0, truncated: false },
        started: { at: now, launcher: 'plain' },
      };
    });
    await redis.set(globalKeys.named(spec.name), id);
  }
  const ordinals = async (spec: BatchSpec, total: number, items?: readonly Item[]): Promise<number[]> => {
    const order = await orderJobs(batches, jobs, { spec, total, ...(items === undefined ? {} : { items }) });
    return order.flatMap(({ first, last }) =>
      Array.from({ length: Math.abs(last - first) + 1 }, (_, at) => first + (last < first ? -at : at)),
    );
  };
  const arrayOf = (first: number, last: number): BatchSpec =>
    arraySpec(1, { order: 'longest', jobs: { kind: 'array', ranges: [{ first, last, step: 1 }] } });

  test('an array by its indexes; jobs the run before did not have come first', async () => {
    await finished(arrayOf(1, 4), [2, 9, 1, 4]);
    // Indexes 2…5.
    expect(await ordinals(arrayOf(2, 5), 4)).toEqual([3, 0, 2, 1]);
  });

  test('what failed says nothing of how long it takes, and comes first', async () => {
    await finished(arrayOf(1, 4), [2, 9, -1, 4]);
    expect(await ordinals(arrayOf(1, 4), 4)).toEqual([2, 1, 3, 0]);
  });

  test('a list by its values, wherever they stand now', async () => {
    const listOf = (count: number): BatchSpec =>
      arraySpec(1, { order: 'longest', command: [bytesOf('x'), bytesOf('{}')], jobs: { kind: 'list', count } });
    await finished(listOf(3), [1, 5, 3], words('short', 'long', 'middle'));
    expect(await ordinals(listOf(4), 4, words('middle', 'new', 'long', 'short'))).toEqual([1, 2, 0, 3]);
  });

  test('a product by its values', async () => {
    const axis = (...texts: string[]): BatchSpec =>
      arraySpec(1, {
        order: 'longest',
        jobs: {
          kind: 'product',
          axes: [
            { name: 'S', values: texts.map(bytesOf) },
            { name: 'N', range: { first: 1, last: 2, step: 1 } },
          ],
        },
      });
    await finished(axis('a', 'b'), [1, 4, 2, 3]);
    // b1 b2 a1 a2
    expect(await ordinals(axis('b', 'a'), 4)).toEqual([3, 1, 0, 2]);
  });
});
