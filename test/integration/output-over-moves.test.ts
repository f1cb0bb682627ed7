import { applyEvent, type Batch, isIllegal, type JobEvent, noUsage } from '@omx/core';
import { MoveLog, type ReadPiece, type ReadRequest, type Redis, openConnection, serveRequests } from '@omx/queue';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { newestOutput } from '../../packages/cli/src/output/attempt-output.ts';
import { Follower } from '../../packages/cli/src/output/follower.ts';
import { OutputSource } from '../../packages/cli/src/output/output-source.ts';
import type { OutputSink } from '../../packages/cli/src/output/sink.ts';
import { type Session, sessionAt } from '../../packages/cli/src/session.ts';
import { useRedis } from '../kit/redis.ts';
import { arraySpec } from '../kit/spec.ts';
import { until } from '../kit/until.ts';

const server = useRedis();
let session: Session;
let connections: Redis[];
let batch: Batch;
/** What was printed, and which nodes said it. */
let printed: string;
let nodes: string[];

const sink: OutputSink = {
  write: async ({ node }, _stream, bytes) => {
    printed += bytes.toString();
    if (nodes.at(-1) !== node) nodes.push(node ?? '');
  },
  end: async () => {},
};

beforeEach(async () => {
  connections = [];
  [printed, nodes] = ['', []];
  const io = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough(), env: {}, cwd: '/' };
  session = await sessionAt({ ...io, onInterrupt: () => () => {} }, { socket: server.socket }, undefined);
  const { batches } = session;
  const order = [{ first: 0, last: 0 }];
  const { id } = await batches.submit({ spec: arraySpec(1), total: 1, order, untouched: 'queued' });
  batch = await batches.load(id);
});
afterEach(() => {
  session.close();
  for (const connection of connections) connection.disconnect();
});

/** A node with one output file; undefined: it has none, and never heard of the job. */
async function join(name: string): Promise<{ file: string | undefined }> {
  const node: { file: string | undefined } = { file: undefined };
  const read = async ({ cursors, maxBytes }: ReadRequest): Promise<ReadPiece[]> =>
    cursors.flatMap((cursor): ReadPiece[] => {
      const text = cursor.stream === 'out' ? node.file : '';
      const bytes = Buffer.from(text ?? '').subarray(cursor.offset, cursor.offset + maxBytes);
      return bytes.length === 0 && text !== undefined ? [] : [{ cursor, bytes, ended: text === undefined }];
    });
  const another = (): Redis => {
    const connection = openConnection({ socket: server.socket });
    connections.push(connection);
    return connection;
  };
  await serveRequests(another(), another(), name, { read }, (error) => {
    throw error;
  });
  return node;
}

/** Changes the job's record, all in one write. */
async function happens(...events: JobEvent[]): Promise<void> {
  const [snapshot] = await session.jobs.read(batch, [0]);
  if (snapshot === undefined) throw new Error('there is no job');
  let next = snapshot.job;
  for (const event of events) {
    const after = applyEvent(next, event);
    if (isIllegal(after)) throw new Error(after.why);
    next = after;
  }
  const { conflicts } = await session.jobs.write(batch, [{ snapshot, next }]);
  expect(conflicts).toEqual([]);
}

const numberOf = async (node: string): Promise<number> => session.batches.nodeNumber(batch.id, node);
const startAt = async (node: string, attempt = 1): Promise<void> =>
  happens({ type: 'lease', node: await numberOf(node) }, { type: 'start', attempt, at: Date.now(), launcher: 'criu' });
const freeze: JobEvent = { type: 'freeze', attempt: 1 };
const moveTo = async (node: string): Promise<JobEvent> => ({ type: 'move', attempt: 1, node: await numberOf(node) });
const end = (text: string, attempt = 1): JobEvent => ({
  ...{ type: 'end', attempt, at: Date.now(), outcome: { kind: 'succeeded' }, usage: noUsage },
  output: { place: 'node', outBytes: text.length, errBytes: 0, truncated: false },
});

function follow(lines?: number): { readonly done: Promise<void>; readonly errors: string[] } {
  const errors: string[] = [];
  const selection = { batch, spans: [{ first: 0, last: 0 }], whole: true };
  const { signal } = new AbortController();
  const options = { streams: ['out'], withNode: true, signal } as const;
  const onError = (id: string, { message }: Error): void => void errors.push(`${id}: ${message}`);
  const more = lines === undefined ? {} : { lines };
  return { done: new Follower(session, sink, selection, { ...options, ...more, onError }).run(), errors };
}

test('a follower goes along with a job that moves there and back, every byte once', async () => {
  const [n1, n2] = [await join('n1'), await join('n2')];
  n1.file = 'one\n';
  await startAt('n1');
  const { done, errors } = follow();
  await until(() => printed === 'one\n');
  await happens(freeze);
  n2.file = 'one\n';
  await happens(await moveTo('n2'));
  n1.file = undefined;
  n2.file += 'two\n';
  await until(() => printed === 'one\ntwo\n');
  await happens(freeze);
  n1.file = 'one\ntwo\n';
  await happens(await moveTo('n1'));
  n2.file = undefined;
  n1.file += 'three\n';
  await until(() => printed === 'one\ntwo\nthree\n');
  n1.file += 'four\n';
  await happens(end(n1.file));
  await done;
  expect(printed).toBe('one\ntwo\nthree\nfour\n');
  expect(nodes).toEqual(['n1', 'n2', 'n1']);
  expect(errors).toEqual([]);
});

test('and with one that has moved and ended before anybody looked', async () => {
  const [n1, n2] = [await join('n1'), await join('n2')];
  n1.file = 'one\n';
  await startAt('n1');
  const { done, errors } = follow();
  await until(() => printed === 'one\n');
  n1.file = undefined;
  n2.file = 'one\ntwo\n';
  await happens(freeze, await moveTo('n2'), end('one\ntwo\n'));
  await done;
  expect(printed).toBe('one\ntwo\n');
  expect(nodes).toEqual(['n1', 'n2']);
  expect(errors).toEqual([]);
});

test('what is read while a job moves is read where it went', async () => {
  const [n1, n2] = [await join('n1'), await join('n2')];
  n1.file = 'one\ntwo\nthree\n';
  await startAt('n1');
  const [before] = await session.jobs.read(batch, [0]);
  const output = before === undefined ? undefined : await newestOutput(session.jobs, batch, before);
  if (output === undefined) throw new Error('the job does not run');
  n2.file = n1.file;
  n1.file = undefined;
  await happens(freeze, await moveTo('n2'));
  const source = new OutputSource(session);
  expect(await source.lastLines(batch, output, 'out', 2)).toBe('one\n'.length);
  const pieces: Buffer[] = [];
  for await (const piece of source.read(batch, output, 'out', 4)) pieces.push(piece);
  expect(Buffer.concat(pieces).toString()).toBe('two\nthree\n');
});

test('the last lines of a job that has just moved are its last lines', async () => {
  const [, n2] = [await join('n1'), await join('n2')];
  n2.file = Array.from({ length: 50 }, (_, at) => `${at}\n`).join('');
  await startAt('n1');
  await happens(freeze, await moveTo('n2'));
  const { done } = follow(2);
  await until(() => printed === '48\n49\n');
  await happens(end(n2.file));
  await done;
  expect(printed).toBe('48\n49\n');
});

describe('an attempt that was lost with its node', () => {
  const again = async (resumed: boolean): Promise<void> => {
    const [n1, n2] = [await join('n1'), await join('n2')];
    n1.file = 'one\ntwo\n';
    await startAt('n1');
    const { done, errors } = follow();
    await until(() => printed === 'one\ntwo\n');
    n1.file = undefined;
    // Its image is older than what was seen of it.
    n2.file = resumed ? 'one\n' : '';
    await happens({ type: 'lose', attempt: 1, at: Date.now() });
    const entry = { ordinal: 0, attempt: 2, at: Date.now(), did: 'resumed', node: 'n2' } as const;
    if (resumed) await new MoveLog(session.redis).append(batch.id, entry);
    await startAt('n2', 2);
    n2.file = 'one\ntwo\nthree\n';
    await happens(end(n2.file, 2));
    await done;
    expect(errors).toEqual([]);
  };

  test('and goes on from its image: what was printed is not printed again', async () => {
    await again(true);
    expect(printed).toBe('one\ntwo\nthree\n');
  });

  test('and begins anew: its output does, too', async () => {
    await again(false);
    expect(printed).toBe('one\ntwo\none\ntwo\nthree\n');
  });
});
