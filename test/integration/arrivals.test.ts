import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect as dial, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { applyEvent, type Batch, bytesOf, isIllegal, type JobEvent } from '@omx/core';
import { findCriu, type Shepherd, type ShepherdEvent, type StartRequest } from '@omx/launch';
import { BatchStore, connect, isRefusal, type JobSnapshot, JobStore, type Receiver, type Redis } from '@omx/queue';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { Attempts } from '../../workers/node/src/attempt.ts';
import { BatchCache } from '../../workers/node/src/batch-cache.ts';
import { Arrivals } from '../../workers/node/src/moving/arrival.ts';
import type { ArrivalOptions } from '../../workers/node/src/moving/arrival-options.ts';
import { openArrivals } from '../../workers/node/src/moving/arrival-recovery.ts';
import { machineTraits } from '../../workers/node/src/moving/traits.ts';
import { skipUnless } from '../kit/needs.ts';
import { useRedis } from '../kit/redis.ts';
import { arraySpec } from '../kit/spec.ts';
import { until } from '../kit/until.ts';

const server = useRedis();
const nothingRuns: Shepherd['hello'] = { running: [], unreported: [] };
let redis: Redis;
let batches: BatchStore;
let jobs: JobStore;
let cache: BatchCache;
let batch: Batch;
let nodeDir: string;
let attempts: Attempts;
let arrivals: Arrivals | undefined;

beforeEach(async () => {
  redis = await connect({ socket: server.socket });
  batches = new BatchStore(redis);
  jobs = new JobStore(batches);
  attempts = new Attempts();
  cache = new BatchCache(batches, 'vega', { choose: () => Promise.reject(new Error('nothing is started here')) });
  nodeDir = mkdtempSync(join(tmpdir(), 'omx-arrivals-'));
  const spec = arraySpec(2, { env: await batches.keepEnvironment([]) });
  batch = await batches.load(
    (await batches.submit({ spec, total: 2, order: [{ first: 0, last: 1 }], untouched: 'queued' })).id,
  );
  await change({ type: 'lease', node: await batches.nodeNumber(batch.id, 'altair') });
  await change({ type: 'start', attempt: 1, at: Date.now(), launcher: 'criu' });
});
afterEach(async () => {
  await arrivals?.abandon();
  arrivals = undefined;
  redis.disconnect();
  rmSync(nodeDir, { recursive: true, force: true });
});

async function record(): Promise<JobSnapshot> {
  const [snapshot] = await jobs.read(batch, [0]);
  if (snapshot === undefined) throw new Error('no such job');
  return snapshot;
}

async function change(event: JobEvent): Promise<void> {
  const snapshot = await record();
  const next = applyEvent(snapshot.job, event);
  if (isIllegal(next)) throw new Error(next.why);
  await jobs.write(batch, [{ snapshot, next }]);
}

const folder = (): string => join(nodeDir, 'arriving');
const key = (): string => `${batch.id}.1#1`;
const name = () => ({ batch: batch.id, ordinal: 0, attempt: 1 });

/** What a worker leaves that has received everything. */
function arrived(): void {
  mkdirSync(join(folder(), key(), 'image'), { recursive: true });
  writeFileSync(join(folder(), key(), 'arrival.json'), JSON.stringify({ ...name(), from: 'altair' }));
}

const open = async (): Promise<string[]> =>
  (await openArrivals(folder(), nothingRuns, { cache, jobs, nodeDir })).map((each) => each.key);

test('a job that may yet come is taken up by the next worker, and nothing else', async () => {
  mkdirSync(join(folder(), `${batch.id}.2#1`, 'image'), { recursive: true });
  mkdirSync(join(folder(), `${key()}.keep`, 'image'), { recursive: true });
  arrived();
  await change({ type: 'freeze', attempt: 1 });
  expect(await open()).toEqual([key()]);
  expect(readdirSync(folder())).toEqual([key()]);
});

test.each<[string, (vega: number) => Promise<void>]>([
  ['it was let go on where it was', async () => undefined],
  [
    'it was lost with its node, and has begun anew',
    async () => {
      await change({ type: 'freeze', attempt: 1 });
      await change({ type: 'lose', attempt: 1, at: Date.now() });
      await change({ type: 'lease', node: await batches.nodeNumber(batch.id, 'deneb') });
      await change({ type: 'start', attempt: 2, at: Date.now(), launcher: 'criu' });
    },
  ],
  [
    'it came, went on and has ended',
    async (vega) => {
      await change({ type: 'freeze', attempt: 1 });
      await change({ type: 'move', attempt: 1, node: vega });
      const own = join(nodeDir, 'jobs', batch.id, '1.1', '.capsule');
      mkdirSync(own, { recursive: true });
      const status = { exit: 0, signal: 0, errno: 0, userUs: 1, sysUs: 1, maxRssKib: 1, endedAt: 1 };
      writeFileSync(join(own, 'status'), JSON.stringify(status));
    },
  ],
])('what has arrived of a job is not used again where %s', async (_, happens) => {
  arrived();
  await happens(await batches.nodeNumber(batch.id, 'vega'));
  expect(await open()).toEqual([]);
  expect(readdirSync(folder())).toEqual([]);
});

type ShepherdOfArrivals = ArrivalOptions['shepherd'];

function emptyRequest(of: string): StartRequest {
  const nothing = bytesOf('/dev/null');
  return {
    ...{ key: of, argv: [], environment: '', extraEnv: [], cwd: bytesOf('/'), umask: 0o77 },
    ...{ stdin: nothing, stdout: nothing, stderr: nothing, timeMs: 0, graceMs: 0, maxOutputBytes: 0 },
  };
}

async function begin(
  lose?: ArrivalOptions['executor']['lose'],
  more: Partial<Pick<ArrivalOptions, 'shepherd' | 'request'>> = {},
): Promise<Arrivals> {
  const { found } = await findCriu(process.env);
  if (found === undefined) throw new Error('there is no CRIU');
  const unused = (): never => {
    throw new Error('nothing is thawed here');
  };
  const options: ArrivalOptions = {
    ...{ nodeDir, node: 'vega', address: '127.0.0.1', attempts, cache, jobs, batches, log: pino({ level: 'silent' }) },
    shepherd: { start: unused, acknowledge: unused, end: unused },
    criu: async () => found,
    executor: { copyStarted: unused, lose: lose ?? unused, onRoom: () => undefined },
    request: unused,
    refusal: () => undefined,
    keepRefusal: () => undefined,
    holdsLease: () => true,
    arrived: unused,
    ...more,
  };
  arrivals = new Arrivals(options);
  return arrivals;
}

/** Whether somebody listens there. */
async function listens({ port }: Receiver): Promise<boolean> {
  return new Promise((resolve) => {
    const socket: Socket = dial(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

test('a job is received once, and keeps one slot, however often it is asked for', skipUnless('criu'), async () => {
  const here = await begin();
  const { found } = await findCriu(process.env);
  const traits = await machineTraits(found ?? { file: '', version: '' });
  const request = { type: 'receive', ...name(), from: 'altair', purpose: 'move', traits } as const;
  const answers = await Promise.all([here.receive(request), here.receive(request), here.receive(request)]);
  expect(attempts.taken.slots).toBe(1);
  // Nobody sends it: who asks again does so for a new move.
  const again = await here.receive(request);
  expect(again).toHaveProperty('port');
  expect(attempts.taken.slots).toBe(1);
  for (const receiver of answers.filter((answer): answer is Receiver => !isRefusal(answer)))
    expect(await listens(receiver)).toBe(false);
  expect(await listens(again as Receiver)).toBe(true);
  // Nor does an image that is to be kept disturb it.
  const kept = await here.receive({ ...request, purpose: 'keep' });
  expect(await listens(again as Receiver)).toBe(true);
  await here.abort({ type: 'abort', ...name() });
  expect(attempts.taken.slots).toBe(0);
  expect(await listens(kept as Receiver)).toBe(true);
  await here.close();
  expect(await listens(kept as Receiver)).toBe(false);
  expect(existsSync(folder()) ? readdirSync(folder()) : []).toEqual([]);
});

test(
  'a job that came as a whole is not received anew as long as it may go on from that',
  skipUnless('criu'),
  async () => {
    arrived();
    await change({ type: 'freeze', attempt: 1 });
    const here = await begin();
    await here.recover(nothingRuns);
    const { found } = await findCriu(process.env);
    const traits = await machineTraits(found ?? { file: '', version: '' });
    const request = { type: 'receive', ...name(), from: 'altair', purpose: 'move', traits } as const;
    expect(await here.receive(request)).toMatchObject({
      refused: expect.stringMatching(/on its way to this node already/),
    });
    // It was let go on, and is to come once more.
    await change({ type: 'thaw', attempt: 1 });
    expect(await here.receive(request)).toHaveProperty('token');
  },
);

test(
  'a job on record here of which nothing is here is lost, and the first who asks finds out',
  skipUnless('criu'),
  async () => {
    const lost: string[] = [];
    const here = await begin((attempt) => {
      lost.push(attempt.key);
      attempts.move(attempt, 'ending');
    });
    await change({ type: 'freeze', attempt: 1 });
    expect(await here.settle({ type: 'settle', ...name() })).toHaveProperty('refused');
    expect(lost).toEqual([]);
    await change({ type: 'move', attempt: 1, node: await batches.nodeNumber(batch.id, 'vega') });
    expect(await here.settle({ type: 'settle', ...name() })).toHaveProperty('refused');
    expect(await here.settle({ type: 'settle', ...name() })).toEqual({ done: true });
    expect(lost).toEqual([key()]);
  },
);

/** Starts what it is told to as the shepherd does, and tells the attempt. */
function startsReally(): { readonly started: ChildProcess[]; readonly acknowledged: string[] } & ShepherdOfArrivals {
  const [started, acknowledged]: [ChildProcess[], string[]] = [[], []];
  return {
    ...{ started, acknowledged },
    start: (requests) => {
      for (const { key: of, argv, extraEnv } of requests) {
        const [file = '', ...args] = argv;
        const extra = extraEnv.map((entry) => entry.split(/=(.*)/s).slice(0, 2) as [string, string]);
        const child = spawn(file, args, { stdio: 'ignore', env: { ...process.env, ...Object.fromEntries(extra) } });
        started.push(child);
        const tell = (event: object): void =>
          attempts.get(of)?.hears?.({ key: of, at: Date.now(), ...event } as unknown as ShepherdEvent);
        child.once('exit', (exitCode) => tell({ type: 'ended', exitCode }));
        setImmediate(() => tell({ type: 'started', pid: child.pid, startedAt: Date.now() }));
      }
    },
    acknowledge: (keys) => void acknowledged.push(...keys),
    end: () => undefined,
  };
}

test.each([
  ['it is not wanted any more', (here: Arrivals) => here.abort({ type: 'abort', ...name() })],
  ['this node leaves', (here: Arrivals) => here.close()],
  ['its shepherd is gone', (here: Arrivals) => here.abandon()],
])('the capsule that is made for a job on its way ends where %s', skipUnless('criu'), async (_, happens) => {
  const shepherd = startsReally();
  const here = await begin(undefined, { shepherd, request: async (attempt) => emptyRequest(attempt.key) });
  const { found } = await findCriu(process.env);
  const traits = await machineTraits(found ?? { file: '', version: '' });
  expect(await here.receive({ type: 'receive', ...name(), from: 'altair', purpose: 'move', traits })).toHaveProperty(
    'token',
  );
  const log = join(folder(), key(), 'image', 'log', 'thaw');
  await until(() => existsSync(join(log, 'thaw.log')));
  await happens(here);
  const [capsule] = shepherd.started;
  await until(() => capsule !== undefined && (capsule.exitCode ?? capsule.signalCode) !== null);
  // Should the same job come again, the shepherd must not take its capsule for this one.
  if (attempts.get(key()) === undefined) expect(shepherd.acknowledged).toEqual([key()]);
});

test('what is abandoned is not touched any more', skipUnless('criu'), async () => {
  const here = await begin();
  const { found } = await findCriu(process.env);
  const traits = await machineTraits(found ?? { file: '', version: '' });
  const request = { type: 'receive', ...name(), from: 'altair', purpose: 'move', traits } as const;
  const receiver = await here.receive(request);
  await here.abandon();
  expect(await listens(receiver as Receiver)).toBe(false);
  expect(readdirSync(folder())).toEqual([key()]);
  expect(await here.receive(request)).toMatchObject({ refused: expect.stringMatching(/leaving/) });
  expect(await here.settle({ type: 'settle', ...name() })).toMatchObject({ refused: expect.any(String) });
});
