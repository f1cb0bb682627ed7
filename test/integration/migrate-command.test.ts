import { applyEvent, type Batch, type BatchSpec, isIllegal, type JobEvent, type NodeInfo, noUsage } from '@omx/core';
import {
  BatchStore,
  type CheckpointRequest,
  connect,
  JobStore,
  type MigrateRequest,
  MoveLog,
  type NodeAnswers,
  NodeStore,
  openConnection,
  type Redis,
  serveRequests,
} from '@omx/queue';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { BatchFeed, wholeBatch } from '../../packages/cli/src/events/batch-feed.ts';
import { main } from '../../packages/cli/src/main.ts';
import { sessionAt } from '../../packages/cli/src/session.ts';
import { recordingIo } from '../../packages/cli/test/output/kit.ts';
import { useRedis } from '../kit/redis.ts';
import { arraySpec } from '../kit/spec.ts';
import { until } from '../kit/until.ts';

const server = useRedis();
let redis: Redis;
let connections: Redis[];
let batches: BatchStore;
let jobs: JobStore;
let asked: (MigrateRequest | CheckpointRequest)[];

beforeEach(async () => {
  redis = await connect({ socket: server.socket });
  connections = [redis];
  batches = new BatchStore(redis);
  jobs = new JobStore(batches);
  asked = [];
});
afterEach(() => {
  for (const connection of connections) connection.disconnect();
});

function another(): Redis {
  const connection = openConnection({ socket: server.socket });
  connections.push(connection);
  return connection;
}

async function submit(total: number, more: Partial<BatchSpec> = {}): Promise<Batch> {
  const order = [{ first: 0, last: total - 1 }];
  const { id } = await batches.submit({ spec: arraySpec(total, more), total, order, untouched: 'queued' });
  return batches.load(id);
}

/** Makes a job be what its events make it, as far as its record says. */
async function happens(batch: Batch, ordinal: number, ...events: JobEvent[]): Promise<void> {
  for (const event of events) {
    const [snapshot] = await jobs.read(batch, [ordinal]);
    const next = snapshot === undefined ? undefined : applyEvent(snapshot.job, event);
    if (snapshot === undefined || next === undefined || isIllegal(next)) throw new Error(JSON.stringify(next));
    await jobs.write(batch, [{ snapshot, next }]);
  }
}

async function runs(batch: Batch, ordinal: number, node: string, launcher = 'criu' as 'criu' | 'plain' | 'mosrun') {
  const number = await batches.nodeNumber(batch.id, node);
  const at = Date.now();
  await happens(batch, ordinal, { type: 'lease', node: number }, { type: 'start', attempt: 1, at, launcher });
}

const ends: JobEvent = {
  ...{ type: 'end', attempt: 1, at: 0, outcome: { kind: 'exited', code: 3 }, usage: noUsage },
  output: { place: 'none', outBytes: 0, errBytes: 0, truncated: false },
};

/** A node that moves whatever it is asked to, or answers as it is told. @returns its ear */
async function join(name: string, more: Partial<NodeInfo> = {}, answers: Partial<NodeAnswers> = {}): Promise<Redis> {
  const nodes = new NodeStore(redis);
  const info = { name, state: 'up', role: 'both', reason: '', launchers: ['plain', 'criu'], labels: {}, ...more };
  await nodes.describe(info as NodeInfo);
  if (info.state !== 'down') await nodes.takeLease(name, 'identity', 60_000);
  const ear = another();
  const migrate = async (request: MigrateRequest) => {
    asked.push(request);
    return { pauseMs: 123, bytes: 5_240_000 };
  };
  const all = { read: async () => [], migrate, ...answers } as NodeAnswers;
  await serveRequests(ear, another(), name, all, () => {});
  return ear;
}

async function omx(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const { io, out, err } = recordingIo();
  const code = await main([...args, '--redis', `unix://${server.socket}`], io);
  return { code, stdout: out().toString(), stderr: err().toString() };
}

describe('omx migrate', () => {
  test('asks the node that has the job, and says what that cost', async () => {
    await Promise.all(['n1', 'n2'].map(async (name) => join(name)));
    const batch = await submit(3);
    await runs(batch, 2, 'n1');
    expect(await omx('migrate', `${batch.id}.3`, '--to', 'n2')).toEqual({
      code: 0,
      stdout: `${batch.id}.3 moved from n1 to n2: stood still for 0.12 s, 5.2 MB\n`,
      stderr: '',
    });
    const request = { type: 'migrate', batch: batch.id, ordinal: 2, attempt: 1, to: 'n2', why: 'omx migrate' };
    expect(asked).toEqual([request]);
    const { stdout } = await omx('migrate', `${batch.id}.3`, '--to', 'n2', '--json');
    expect(JSON.parse(stdout)).toEqual({ id: `${batch.id}.3`, from: 'n1', to: 'n2', pause: 0.123, bytes: 5_240_000 });
  });

  test('of one node moves one job after the other, of several at the same time', async () => {
    const atWork: string[] = [];
    let most = 0;
    let bothAtWork = (): void => {};
    const together = new Promise<void>((resolve) => (bothAtWork = resolve));
    const migrate = (node: string) => async () => {
      atWork.push(node);
      most = Math.max(most, atWork.filter((each) => each === node).length);
      if (new Set(atWork).size === 2) bothAtWork();
      await together;
      atWork.splice(atWork.indexOf(node), 1);
      return { pauseMs: 1, bytes: 1 };
    };
    for (const name of ['n1', 'n2']) await join(name, {}, { migrate: migrate(name) });
    await join('n3');
    const batch = await submit(6);
    for (const ordinal of [0, 1, 2]) await runs(batch, ordinal, 'n1');
    for (const ordinal of [3, 4]) await runs(batch, ordinal, 'n2');
    await runs(batch, 5, 'n3');
    const { code, stdout } = await omx('migrate', batch.id, '--to', 'n3');
    expect(code).toBe(0);
    expect(stdout.trim().split('\n')).toHaveLength(5);
    expect(most).toBe(1);
  });

  test('of a whole batch moves what runs, and says what its nodes refuse', async () => {
    const refused = { refused: 'n2 has no room: 4 of 4 slots are taken', hint: 'omx nodes shows the others' };
    await join('n1', {}, { migrate: async ({ ordinal }) => (ordinal === 0 ? refused : { pauseMs: 10, bytes: 1e6 }) });
    await join('n2');
    const batch = await submit(4);
    for (const ordinal of [0, 1, 2]) await runs(batch, ordinal, 'n1');
    await happens(batch, 2, ends);
    expect(await omx('migrate', batch.id, '--to', 'n2')).toEqual({
      code: 1,
      stdout: `${batch.id}.2 moved from n1 to n2: stood still for 0.01 s, 1.0 MB\n`,
      stderr: `error: ${batch.id}.1 was not moved: ${refused.refused}\nhint:  ${refused.hint}\n`,
    });
    const { stdout } = await omx('migrate', batch.id, '--to', 'n2', '--json');
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { id: `${batch.id}.1`, error: { code: 'MOVE_REFUSED', message: refused.refused, hint: refused.hint } },
      { id: `${batch.id}.2`, from: 'n1', to: 'n2', pause: 0.01, bytes: 1e6 },
    ]);
  });

  test('refuses each job that is named and does not run, with its state', async () => {
    await Promise.all(['n1', 'n2'].map(async (name) => join(name)));
    const batch = await submit(5);
    await runs(batch, 1, 'n1');
    await happens(batch, 1, ends);
    await happens(batch, 2, { type: 'hold' });
    await happens(batch, 3, { type: 'lease', node: await batches.nodeNumber(batch.id, 'n1') });
    await runs(batch, 4, 'n2');
    const { code, stdout, stderr } = await omx('migrate', `${batch.id}.1-5`, '--to', 'n2');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(
      /\.1 was not moved: it does not run: it waits in the queue\n.*\n.*\.2 .*any more: exited with code 3\n.*omx rerun.*\n.*\.3 .*held back\n.*omx release.*\n.*\.4 .*n1 is about to start it\n.*\n.*\.5 .*n2 is the same node\n/,
    );
    expect(asked).toEqual([]);
    expect(await omx('migrate', batch.id, '--to', 'n2')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^nothing to move/) as string,
    });
  });

  test('of jobs that omx cannot move says who could', async () => {
    await Promise.all(['n1', 'n2'].map(async (name) => join(name)));
    const batch = await submit(2);
    await runs(batch, 0, 'n1', 'plain');
    await runs(batch, 1, 'n1', 'mosrun');
    const { code, stderr } = await omx('migrate', batch.id, '--to', 'n2');
    expect(code).toBe(1);
    expect(stderr).toMatch(/\.1 was not moved: .*launcher plain.*\nhint: .*--launcher criu.*omx rerun b\d+\.1/);
    expect(stderr).toMatch(
      /\.2 was not moved: .*the cluster’s kernel moves it.*\nhint: .*migrate PID NODE.*mosmigrate/,
    );
    expect(asked).toEqual([]);
  });

  test.each<[Partial<NodeInfo>, RegExp]>([
    [{ state: 'down' }, /no job can move to n2: it is down\nhint: .*omx worker --name n2/],
    [{ state: 'draining', reason: 'disk' }, /it is being drained \(disk\)\nhint: .*omx undrain n2/],
    [{ state: 'drained' }, /it is drained\nhint: .*omx undrain n2/],
    [{ state: 'quarantined', reason: 'EIO' }, /it is in quarantine \(EIO\)\nhint: .*omx undrain n2/],
    [{ role: 'home' }, /it is a home node, which takes no jobs\nhint: .*omx nodes/],
    [{ launchers: ['plain'] }, /it has no CRIU that works\nhint: .*omx doctor/],
    [
      { launchers: ['plain'], trying: ['criu'] },
      /n2: its worker .* still tries out whether CRIU works.*\nhint: .*again/,
    ],
  ])('does not ask for a target that is %j', async (info, message) => {
    await join('n1');
    await join('n2', info);
    const batch = await submit(1);
    await runs(batch, 0, 'n1');
    const { code, stderr } = await omx('migrate', batch.id, '--to', 'n2');
    expect(stderr).toMatch(message);
    expect({ code, asked }).toEqual({ code: 1, asked: [] });
  });

  test('does not ask for a target of another architecture, and says which one it is', async () => {
    await join('n1', { arch: 'x64' });
    await join('n2', { arch: 'arm64' });
    await join('n3', { arch: 'x64' });
    const batch = await submit(1);
    await runs(batch, 0, 'n1');
    const { code, stderr } = await omx('migrate', batch.id, '--to', 'n2');
    expect(stderr).toMatch(/\.1 was not moved: .*of the kind x64, and that of n2 is arm64\nhint: .*a node that is x64/);
    expect({ code, asked }).toEqual({ code: 1, asked: [] });
    expect(await omx('migrate', batch.id, '--to', 'n3')).toMatchObject({ code: 0 });
  });

  test('keeps to the nodes and labels that the batch asks for', async () => {
    await Promise.all(['n1', 'n2'].map(async (name) => join(name)));
    const placed = await submit(1, { nodes: ['n1', 'n3'] });
    await runs(placed, 0, 'n1');
    const labelled = await submit(1, { labels: { gpu: 'yes' } });
    await runs(labelled, 0, 'n1');
    expect((await omx('migrate', placed.id, '--to', 'n2')).stderr).toMatch(/asks for --node n1,n3\nhint: /);
    expect((await omx('migrate', labelled.id, '--to', 'n2')).stderr).toMatch(/asks for --label gpu=yes\nhint: /);
    expect(asked).toEqual([]);
  });

  test('what is not there has exit code 4, a missing --to 2', async () => {
    await join('n1');
    const batch = await submit(1);
    await runs(batch, 0, 'n1');
    expect(await omx('migrate', batch.id, '--to', 'n9')).toMatchObject({ code: 4 });
    expect(await omx('migrate', `${batch.id}.7`, '--to', 'n1')).toMatchObject({ code: 4 });
    expect(await omx('migrate', 'b99', '--to', 'n1')).toMatchObject({ code: 4 });
    expect(await omx('migrate', batch.id)).toMatchObject({ code: 2, stderr: expect.stringMatching(/--to/) as string });
  });

  test('a node that ends before it answers: the log of moves knows whether the job moved', async () => {
    await join('n2');
    const ears: Redis[] = [];
    const migrate = async ({ batch, ordinal, attempt, to, why }: MigrateRequest): Promise<never> => {
      if (ordinal === 0)
        await new MoveLog(redis).append(batch, {
          ordinal,
          attempt,
          at: 1,
          from: 'n1',
          to,
          why,
          pauseMs: 70,
          bytes: 2e6,
        });
      for (const ear of ears) ear.disconnect();
      return new Promise(() => {});
    };
    const batch = await submit(2);
    for (const ordinal of [0, 1]) {
      await runs(batch, ordinal, 'n1');
      ears.push(await join('n1', {}, { migrate }));
      const { code, stdout, stderr } = await omx('migrate', `${batch.id}.${ordinal + 1}`, '--to', 'n2');
      if (ordinal === 0)
        expect({ code, stdout }).toMatchObject({
          code: 0,
          stdout: expect.stringMatching(/stood still for 0.07 s, 2.0 MB/) as string,
        });
      else
        expect({ code, stderr }).toMatchObject({
          code: 1,
          stderr: expect.stringMatching(/node n1 does not answer: its worker has ended/) as string,
        });
    }
  });

  test('Ctrl-C stops waiting, not the move', async () => {
    await join('n1', {}, { migrate: async (request) => new Promise(() => asked.push(request)) });
    await join('n2');
    const batch = await submit(1);
    await runs(batch, 0, 'n1');
    const { io, err, interrupt } = recordingIo();
    const code = main(['migrate', batch.id, '--to', 'n2', '--redis', `unix://${server.socket}`], io);
    await until(() => asked.length === 1);
    interrupt();
    expect(await code).toBe(130);
    expect(err().toString()).toMatch(/no longer waiting/);
  });
});

describe('omx checkpoint', () => {
  test('says where the image is', async () => {
    const checkpoint = async (request: CheckpointRequest) => {
      asked.push(request);
      if (request.ordinal === 1) return { refused: 'there is no other node that could keep it', hint: 'omx nodes' };
      return { node: 'n2', pauseMs: 40, bytes: 5_240_000 };
    };
    await join('n1', {}, { checkpoint });
    const batch = await submit(3);
    for (const ordinal of [0, 1]) await runs(batch, ordinal, 'n1');
    expect(await omx('checkpoint', `${batch.id}.1`)).toEqual({
      code: 0,
      stdout: `${batch.id}.1: image of 5.2 MB kept on n2; stood still for 0.04 s\n`,
      stderr: '',
    });
    expect(asked).toEqual([{ type: 'checkpoint', batch: batch.id, ordinal: 0, attempt: 1 }]);
    const { code, stdout } = await omx('checkpoint', batch.id, '--json');
    expect(code).toBe(1);
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { id: `${batch.id}.1`, node: 'n1', keeper: 'n2', pause: 0.04, bytes: 5_240_000 },
      {
        id: `${batch.id}.2`,
        error: { code: 'CHECKPOINT_REFUSED', message: 'there is no other node that could keep it', hint: 'omx nodes' },
      },
    ]);
  });
});

describe('omx pause --freeze and omx resume', () => {
  const wishOf = async (batch: Batch): Promise<(string | undefined)[]> =>
    (await jobs.read(batch, [0, 1, 2])).map(({ job }) => job.wish);

  test('set and take back the wish, of jobs that criu started', async () => {
    const batch = await submit(3);
    await runs(batch, 0, 'n1');
    await runs(batch, 1, 'n1', 'plain');
    const { code, stdout } = await omx('pause', '--freeze', batch.id);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^b\d+: 1 job is being frozen; .*\nb\d+: 1 job cannot be frozen, .*--launcher criu/);
    expect(await wishOf(batch)).toEqual(['freeze', 'none', 'none']);
    expect(await omx('pause', '--freeze', `${batch.id}.1`)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^nothing to freeze/) as string,
    });
    expect(await omx('pause', `${batch.id}.1`)).toMatchObject({
      stdout: expect.stringMatching(/^nothing to pause/) as string,
    });
    await happens(batch, 0, { type: 'freeze', attempt: 1 });
    expect((await omx('jobs', batch.id)).stdout).toMatch(/\.1 +frozen/);
    expect(JSON.parse((await omx('resume', batch.id, '--json')).stdout)).toEqual({ resumed: 1 });
    expect(await wishOf(batch)).toEqual(['none', 'none', 'none']);
  });

  test('a paused job can be frozen too, and one on its way to another node be paused', async () => {
    const batch = await submit(3);
    await runs(batch, 0, 'n1');
    await omx('pause', `${batch.id}.1`);
    await happens(batch, 0, { type: 'pause' });
    expect(JSON.parse((await omx('pause', '--freeze', batch.id, '--json')).stdout)).toEqual({ frozen: 1 });
    await runs(batch, 1, 'n1');
    await happens(batch, 1, { type: 'freeze', attempt: 1 });
    expect(JSON.parse((await omx('pause', `${batch.id}.2`, '--json')).stdout)).toEqual({ paused: 1 });
    expect(await wishOf(batch)).toEqual(['freeze', 'pause', 'none']);
  });
});

test('moves are seen by omx jobs, omx why and omx events', async () => {
  const batch = await submit(2);
  await runs(batch, 0, 'n1');
  await happens(batch, 0, { type: 'freeze', attempt: 1 });
  await happens(batch, 0, { type: 'move', attempt: 1, node: await batches.nodeNumber(batch.id, 'n2') });
  const log = new MoveLog(redis);
  const at = Date.now();
  const entry = { ordinal: 0, attempt: 1, at: at + 5 };
  await log.append(batch.id, { ...entry, from: 'n1', to: 'n2', why: 'n1 is crowded', pauseMs: 123, bytes: 5_240_000 });
  await log.append(batch.id, { ...entry, at: at + 9, from: 'n2', to: 'n1', why: 'drain', failed: 'n1 is full' });
  const id = `${batch.id}.1`;
  expect(JSON.parse((await omx('jobs', id, '--json')).stdout)).toMatchObject({ node: 'n2', migrations: 1 });
  expect((await omx('jobs', batch.id)).stdout).toMatch(/node +moves[^]*\.1 +running +n2 +1/);
  expect((await omx('why', id)).stdout).toMatch(
    /it has moved 1 time\n[^]*moved from n1 to n2 \(n1 is crowded\): stood still for 0.12 s, 5.2 MB\n.*stayed on n2, not moved to n1 \(drain\): n1 is full/,
  );
  const events = (await omx('events', id)).stdout.trim().split('\n');
  expect(events.map((line) => JSON.parse(line))).toMatchObject([
    { type: 'job-started', id, node: 'n1' },
    { type: 'job-moved', id, from: 'n1', to: 'n2', why: 'n1 is crowded', pause: 0.123 },
    { type: 'job-not-moved', id, from: 'n2', to: 'n1', reason: 'n1 is full' },
  ]);
  expect((await omx('events', `${batch.id}.2`)).stdout).toBe('');
});

test('of a job that moves and ends between two readings, the move is told with the end', async () => {
  const batch = await submit(1);
  await runs(batch, 0, 'n1');
  const session = await sessionAt(recordingIo().io, { socket: server.socket }, undefined);
  try {
    const feed = new BatchFeed(session, wholeBatch(batch));
    const types: string[] = [];
    for await (const events of feed.look()) {
      // The first are those of the batch: the log of moves has been read by then, the jobs have not.
      if (types.length === 0) {
        const entry = { ordinal: 0, attempt: 1, at: Date.now(), from: 'n1', to: 'n2', why: 'drain' };
        await new MoveLog(redis).append(batch.id, { ...entry, pauseMs: 1, bytes: 1 });
        await happens(batch, 0, ends);
      }
      types.push(...events.map(({ type }) => type));
    }
    expect(types).toEqual(['batch-submitted', 'batch-started', 'job-started', 'job-ended', 'job-moved']);
  } finally {
    session.close();
  }
});
