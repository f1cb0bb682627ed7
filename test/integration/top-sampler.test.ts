import { applyEvent, type Batch, type BatchSpec, isIllegal, type JobEvent, type Span } from '@omx/core';
import { TopSampler, type TopSources } from '@omx/monitor';
import {
  BatchStore,
  connect,
  JobStore,
  NodeAsker,
  NodeStore,
  openConnection,
  type Redis,
  serveRequests,
} from '@omx/queue';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { useRedis } from '../kit/redis.ts';
import { arraySpec } from '../kit/spec.ts';

const server = useRedis();
let redis: Redis;
let connections: Redis[];
let batches: BatchStore;
let jobs: JobStore;
let nodes: NodeStore;
let scans: number;

beforeEach(async () => {
  redis = await connect({ socket: server.socket });
  connections = [redis];
  batches = new BatchStore(redis);
  jobs = new JobStore(batches);
  nodes = new NodeStore(redis);
  scans = 0;
});
afterEach(() => {
  for (const connection of connections) connection.disconnect();
});

function sampler(): TopSampler {
  const sources: TopSources = {
    batches,
    jobs,
    nodes,
    asker: new NodeAsker(redis, another()),
    commandOf: async (batch, ordinal) => `true ${batch.id} ${ordinal}`,
    touchedSpans: async (batch): Promise<Span[]> => {
      scans += 1;
      return [{ first: 0, last: Math.min(batch.total, 1000) - 1 }];
    },
  };
  return new TopSampler(sources);
}

function another(): Redis {
  const connection = openConnection({ socket: server.socket });
  connections.push(connection);
  return connection;
}

async function submit(total: number, more: Partial<BatchSpec> = {}): Promise<Batch> {
  const { id } = await batches.submit({
    spec: arraySpec(total, more),
    total,
    order: [{ first: 0, last: total - 1 }],
    untouched: 'queued',
  });
  return batches.load(id);
}

/** Makes jobs run on a node, as far as their records say. */
async function begin(batch: Batch, ordinals: readonly number[], node: string): Promise<void> {
  const number = await batches.nodeNumber(batch.id, node);
  const events: JobEvent[] = [
    { type: 'lease', node: number },
    { type: 'start', attempt: 1, at: Date.now(), launcher: 'plain' },
  ];
  for (const event of events) {
    const changes = (await jobs.read(batch, ordinals)).map((snapshot) => {
      const next = applyEvent(snapshot.job, event);
      if (isIllegal(next)) throw new Error(next.why);
      return { snapshot, next };
    });
    await jobs.write(batch, changes);
  }
}

/** A node that says what these jobs use. */
async function join(name: string, batch: Batch, ordinals: readonly number[], answers = true): Promise<void> {
  await nodes.describe({ name, state: 'up', running: ordinals.length } as never);
  await nodes.takeLease(name, 'identity', 60_000);
  if (!answers) return;
  let at = 0;
  const usage = async () => ({
    at: (at += 1000),
    attempts: ordinals.map((ordinal) => ({ batch: batch.id, ordinal, attempt: 1, cpu: at / 2000, rss: 4096 })),
  });
  await serveRequests(another(), redis, name, { usage } as never, (error) => {
    throw error;
  });
}

test('what runs is read from what the nodes say, in a batch of a million too', async () => {
  const batch = await submit(1_000_000);
  await begin(batch, [3, 700_000], 'vega');
  await join('vega', batch, [3, 700_000]);
  const top = sampler();
  const first = await top.read(0);
  expect(first.counts).toEqual({ running: 2, queued: 999_998, held: 0, batches: 1 });
  expect(first.silent).toEqual([]);
  expect(first.waiting).toEqual([]);
  expect(first.running).toMatchObject([
    { id: `${batch.id}.4`, node: 'vega', state: 'running', rss: 4096, migrations: 0, command: `true ${batch.id} 3` },
    { id: `${batch.id}.700001`, node: 'vega' },
  ]);
  // Half a second of CPU time in each second between two answers.
  expect((await top.read(0)).running[0]?.cpu).toBeCloseTo(50);
  expect(scans).toBe(0);
});

test('jobs of a node that does not answer are found in the records, without a search at each look', async () => {
  const batch = await submit(3000);
  await begin(batch, [1], 'vega');
  await begin(batch, [2], 'altair');
  await begin(batch, [600], 'gone');
  await join('vega', batch, [1]);
  await join('altair', batch, [2], false);
  await nodes.describe({ name: 'gone', state: 'up', running: 1 } as never);
  const top = sampler();
  const { running, silent } = await top.read(0);
  expect(silent).toEqual(['altair']);
  expect(running.map(({ id, node, rss }) => ({ id, node, rss }))).toEqual([
    { id: `${batch.id}.2`, node: 'vega', rss: 4096 },
    { id: `${batch.id}.3`, node: 'altair', rss: null },
    { id: `${batch.id}.601`, node: 'gone', rss: null },
  ]);
  expect((await top.read(0)).running).toHaveLength(3);
  expect(scans).toBe(1);
});

test('children that run on other nodes are counted with their job, by node', async () => {
  const batch = await submit(2);
  await begin(batch, [0, 1], 'vega');
  await join('vega', batch, [0, 1]);
  for (const name of ['altair', 'deneb']) {
    await nodes.describe({ name, state: 'up', running: 1 } as never);
    await nodes.takeLease(name, 'identity', 60_000);
    let at = 0;
    const copy = () => ({ batch: batch.id, ordinal: 0, attempt: 1, cpu: at / 1000, rss: 1000 });
    const others = name === 'altair' ? [copy, copy] : [copy, () => ({ ...copy(), attempt: 9 })];
    const usage = async () => ({ at: (at += 1000), attempts: [], guests: others.map((each) => each()) });
    await serveRequests(another(), redis, name, { usage } as never, (error) => {
      throw error;
    });
  }
  const top = sampler();
  await top.read(0);
  const { running } = await top.read(0);
  expect(running).toMatchObject([
    { id: `${batch.id}.1`, node: 'vega', rss: 4096 + 3000, children: { altair: 2, deneb: 1 } },
    { id: `${batch.id}.2`, node: 'vega', rss: 4096, children: {} },
  ]);
  // Half a processor at home, and three whole ones elsewhere.
  expect(running.map(({ cpu }) => Math.round(cpu ?? 0))).toEqual([350, 50]);
});

test('what a node says of a job that has ended, or of an earlier attempt, is not shown', async () => {
  const batch = await submit(3);
  await begin(batch, [0], 'vega');
  await join('vega', batch, [0, 1]);
  const { running } = await sampler().read(0);
  expect(running.map(({ id }) => id)).toEqual([`${batch.id}.1`]);
});

test('the first waiting jobs, past those that have ended', async () => {
  const batch = await submit(1200);
  const early = Array.from({ length: 1100 }, (_, ordinal) => ordinal);
  await begin(batch, early, 'vega');
  const top = sampler();
  const ids = async (): Promise<string[]> => (await top.read(3)).waiting.map(({ id }) => id);
  expect(await ids()).toEqual([`${batch.id}.1101`, `${batch.id}.1102`, `${batch.id}.1103`]);
  expect(await ids()).toEqual([`${batch.id}.1101`, `${batch.id}.1102`, `${batch.id}.1103`]);
  expect((await top.read(0)).waiting).toEqual([]);
});
