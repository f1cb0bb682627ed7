import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { batchId, defaultLimits, freshJob, noUsage } from '@omx/core';
import { capsuleShape } from '@omx/launch';
import { afterAll, expect, test } from 'vitest';

import { type Attempt, Attempts } from '../../src/attempt.ts';
import type { BatchCache } from '../../src/batch-cache.ts';
import { writeNote } from '../../src/capsule-jobs.ts';
import { noteFile } from '../../src/job-folders.ts';
import { MovableReader } from '../../src/moving/movable.ts';
import { nodeInfo } from './nodes.ts';

const nodeDir = mkdtempSync(join(tmpdir(), 'omx-movable-'));
afterAll(() => rmSync(nodeDir, { recursive: true }));

/** This process, as a job of the node n1. */
function attempt(ordinal: number, more: Partial<Attempt> & { readonly moves?: number } = {}): Attempt {
  const { moves = 0, ...rest } = more;
  const job = { ...freshJob('queued', 0), moves };
  return {
    ...{ key: `b1.${ordinal}#1`, batch: batchId(1), ordinal, index: ordinal, number: 1, slots: 2 },
    ...{ phase: 'running', launcher: 'criu', pid: process.pid, startedAt: Date.now() - 5000 },
    snapshot: { ordinal, record: Buffer.alloc(0), job },
    ...rest,
  };
}

function readerOf(attempts: readonly Attempt[], specs: Record<number, object> = {}): MovableReader {
  const all = new Attempts();
  for (const each of attempts) all.add(each);
  const specOf = (ordinal: number) => ({
    ...{ nodes: [], labels: {}, balance: true, oversubscribe: false, limits: defaultLimits },
    ...specs[ordinal],
  });
  return new MovableReader({
    nodeDir,
    ...{ node: 'n1', attempts: all, cache: { get: async () => ({ specOf }) } as unknown as BatchCache },
    nodes: { described: async () => [nodeInfo('n1'), nodeInfo('n2'), nodeInfo('n3', { launchers: ['plain'] })] },
    mover: { obstacle: ({ paused }) => (paused === true ? 'it is paused' : undefined) },
    load: () => ({ load: 1, externalLoad: 0, busy: 1, cpus: 2 }),
  });
}

test('what a job is, uses and may do', async () => {
  const { jobs } = await readerOf([attempt(3)]).read();
  expect(jobs).toMatchObject([
    { id: 'b1.3', batch: 'b1', ordinal: 3, attempt: 1, slots: 2, oversubscribe: false, moves: 0, places: ['n2'] },
  ]);
  const [job] = jobs;
  // Nothing is known yet of what it wants.
  expect(job?.cpus).toBe(1);
  expect(job?.rss).toBeGreaterThan(2 ** 20);
  expect(job?.ageMs).toBeGreaterThanOrEqual(5000);
  expect(job).not.toHaveProperty('immovable');
  expect(job).not.toHaveProperty('lastMovedMsAgo');
});

test('what keeps one from being balanced, and those that do not run are left out', async () => {
  const attempts = [attempt(1, { paused: true }), attempt(2), attempt(3), attempt(4, { phase: 'ready' })];
  const { jobs } = await readerOf(attempts, { 2: { balance: false }, 3: { oversubscribe: true } }).read();
  expect(jobs.map(({ ordinal, immovable }) => [ordinal, immovable])).toEqual([
    [1, 'it is paused'],
    [2, 'its batch has --balance off'],
    [3, undefined],
  ]);
  expect(jobs[2]?.oversubscribe).toBe(true);
});

test('of a job that has come here it is known since when it is here', async () => {
  const reader = readerOf([attempt(1, { moves: 2 })]);
  const [first] = (await reader.read()).jobs;
  expect(first?.lastMovedMsAgo).toBeLessThan(1000);
  const [again] = (await reader.read()).jobs;
  expect(again?.lastMovedMsAgo).toBeGreaterThan(first?.lastMovedMsAgo ?? Infinity);
});

test('of a job that has moved, what it used elsewhere counts', async () => {
  const moved = attempt(6, { moves: 1 });
  mkdirSync(dirname(noteFile(nodeDir, moved)), { recursive: true });
  writeNote(nodeDir, moved, { shape: capsuleShape(), earlier: { ...noUsage, userUs: 90_000_000, sysUs: 5_000_000 } });
  const { jobs } = await readerOf([moved]).read();
  expect(jobs[0]?.cpuMs).toBeGreaterThanOrEqual(95_000);
  expect(jobs[0]?.cpuMs).toBeLessThan(150_000);
});
