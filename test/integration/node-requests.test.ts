import { ExitCode } from '@omx/core';
import { connect, type NodeAnswers, NodeAsker, type Redis, serveRequests } from '@omx/queue';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { until } from '../kit/until.ts';

import { useRedis } from '../kit/redis.ts';

const server = useRedis();
const open: Redis[] = [];
let asker: NodeAsker;
let errors: unknown[];

beforeEach(async () => {
  errors = [];
  asker = new NodeAsker(await another(), await another());
});
afterEach(() => {
  for (const connection of open.splice(0)) connection.disconnect();
});

async function another(): Promise<Redis> {
  const connection = await connect({ socket: server.socket });
  open.push(connection);
  return connection;
}

/** A node that answers so. @returns its connection, to cut it */
async function node(answers: Partial<NodeAnswers>): Promise<Redis> {
  const subscriber = await another();
  await serveRequests(subscriber, await another(), 'n1', { read: async () => [], ...answers }, (error) => {
    errors.push(error);
  });
  return subscriber;
}

const move = { type: 'migrate', batch: 'b1', ordinal: 0, attempt: 1, to: 'n2', why: 'test' } as const;

test('an answer comes back to who asked, each to its question', async () => {
  let first: (() => void) | undefined;
  await node({
    migrate: async ({ ordinal }) => {
      if (ordinal === 0) await new Promise<void>((resolve) => (first = resolve));
      else first?.();
      return { pauseMs: ordinal, bytes: 1 };
    },
  });
  const answers = [asker.askJson('n1', move), asker.askJson('n1', { ...move, ordinal: 7 })];
  expect(await Promise.all(answers)).toEqual([
    { pauseMs: 0, bytes: 1 },
    { pauseMs: 7, bytes: 1 },
  ]);
  expect(errors).toEqual([]);
});

test('what a node does not know it says at once', async () => {
  await node({});
  await expect(asker.askJson('n1', move, 60_000)).rejects.toMatchObject({
    code: 'NODE_CANNOT',
    exitCode: ExitCode.unreachable,
    message: expect.stringMatching(/^node n1 cannot do that: it does not know what 'migrate' is/) as string,
  });
});

test('what goes wrong there is told, and the node goes on', async () => {
  const failure = new Error('disk full');
  await node({ migrate: async () => Promise.reject(failure), movable: async () => ({ jobs: [] }) });
  await expect(asker.askJson('n1', move, 60_000)).rejects.toThrow('node n1 cannot do that: disk full');
  expect(errors).toEqual([failure]);
  expect(await asker.askJson('n1', { type: 'movable' })).toEqual({ jobs: [] });
});

test('a node that is not there is an error at once', async () => {
  await expect(asker.askJson('n1', move, 60_000)).rejects.toMatchObject({
    code: 'NODE_UNREACHABLE',
    message: 'node n1 does not answer: its worker is not running',
  });
});

test('a node that ends while it is waited for is noticed long before the time is over', async () => {
  const cut = await node({
    migrate: async () => {
      cut.disconnect();
      return new Promise(() => {});
    },
  });
  const answer = asker.askJson('n1', move, 3_600_000);
  await expect(answer).rejects.toThrow('node n1 does not answer: its worker has ended');
});

test('a node whose worker was started anew while it is waited for is noticed too', async () => {
  const first = await node({
    migrate: async () => {
      first.disconnect();
      await node({ migrate: async () => Promise.reject(new Error('asked again')) });
      return new Promise(() => {});
    },
  });
  const answer = asker.askJson('n1', move, 3_600_000);
  await expect(answer).rejects.toThrow('node n1 cannot do that: its worker was started anew meanwhile');
});

test('a node that is at work for longer than a look is waited for', async () => {
  const began = performance.now();
  await node({
    movable: async () => {
      await until(() => performance.now() - began > 2500);
      return { jobs: [] };
    },
  });
  expect(await asker.askJson('n1', { type: 'movable' })).toEqual({ jobs: [] });
});

test('a node that takes too long is given up', async () => {
  await node({ migrate: async () => new Promise(() => {}) });
  await expect(asker.askJson('n1', move, 50)).rejects.toThrow('node n1 does not answer: its worker takes too long');
});
