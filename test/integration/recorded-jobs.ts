import { applyEvent, type Batch, type BatchSpec, isIllegal, type JobEvent, type NodeInfo, noUsage } from '@omx/core';
import {
  BatchStore,
  type CheckpointRequest,
  connect,
  JobStore,
  type MigrateRequest,
  type NodeAnswers,
  NodeStore,
  openConnection,
  type Redis,
  serveRequests,
} from '@omx/queue';
import { afterEach, beforeEach } from 'vitest';

import { main } from '../../packages/cli/src/main.ts';
import { recordingIo } from '../../packages/cli/test/output/kit.ts';
import { useRedis } from '../kit/redis.ts';
import { arraySpec } from '../kit/spec.ts';

export const ends: JobEvent = {
  ...{ type: 'end', attempt: 1, at: 0, outcome: { kind: 'exited', code: 3 }, usage: noUsage },
  output: { place: 'none', outBytes: 0, errBytes: 0, truncated: false },
};

/** Jobs that are what their records say, on nodes that only answer: for what is said of moves, not for the moves. */
export function useRecordedJobs() {
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

  return {
    submit,
    happens,
    runs,
    join,
    omx,
    get socket() {
      return server.socket;
    },
    get redis() {
      return redis;
    },
    get batches() {
      return batches;
    },
    get jobs() {
      return jobs;
    },
    /** What the nodes were asked. */
    get asked() {
      return asked;
    },
  };
}
