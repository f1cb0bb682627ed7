import { batchId, defaultLimits, freshJob, type NodeInfo } from '@omx/core';
import type { MoveEntry, NodeAsker } from '@omx/queue';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { type Attempt, Attempts } from '../../src/attempt.ts';
import type { BatchCache } from '../../src/batch-cache.ts';
import { Evacuation } from '../../src/moving/evacuation.ts';
import { nodeInfo } from './nodes.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const drain = { why: 'drain', requeue: false };
const requeue = { why: 'drain', requeue: true };
const moveMs = 1000;

/** A node with running jobs among others; moves take a second each, two at a time. */
class World {
  readonly attempts = new Attempts();
  readonly moves: string[] = [];
  /** Reasons why jobs were not moved. */
  readonly told: string[] = [];
  readonly ended: string[] = [];
  /** Nodes that keep the next slot for a job, and those that have one for it already. */
  readonly expecting = new Set<string>();
  readonly kept = new Set<string>();
  nodes: NodeInfo[] = [nodeInfo('n1', { state: 'draining', running: 9 }), nodeInfo('n2'), nodeInfo('n3')];
  obstacles: Record<number, string> = {};
  refusals: Record<string, string> = {};
  meanMs: number | undefined;
  spec: object = {};
  underWay = 0;
  readonly evacuation: Evacuation;

  constructor() {
    const spec = () => ({ nodes: [], labels: {}, oversubscribe: false, limits: defaultLimits, ...this.spec });
    const cache = { get: async () => ({ meanMs: this.meanMs, specOf: spec }) } as unknown as BatchCache;
    this.evacuation = new Evacuation({
      ...{ node: 'n1', attempts: this.attempts, cache, log: pino({ enabled: false }), random: () => 0 },
      nodes: { list: async () => this.nodes },
      movable: { measure: () => new Map() },
      mover: {
        obstacle: ({ ordinal }) => this.obstacles[ordinal],
        move: async (attempt, to) => this.#move(attempt, to),
      },
      asker: {
        askJson: async (node: string) => {
          this.expecting.add(node);
          return this.kept.delete(node) ? { done: true } : { refused: `node ${node} is full` };
        },
      } as unknown as NodeAsker,
      moveLog: {
        append: async (_batch, entry: MoveEntry) =>
          void this.told.push(`${entry.ordinal}: ${'failed' in entry ? entry.failed : 'moved'}`),
      },
      shepherd: { suspended: false, end: (key, reason, ms) => void this.ended.push(`${key} ${reason} ${ms}`) },
    });
  }

  async #move(attempt: Attempt, to: string): Promise<{ pauseMs: number; bytes: number }> {
    this.underWay += 1;
    expect(this.underWay).toBeLessThanOrEqual(2);
    // By the clock that the test turns on.
    // oxlint-disable-next-line no-restricted-globals
    await new Promise((resolve) => setTimeout(resolve, moveMs));
    this.underWay -= 1;
    this.moves.push(`${attempt.ordinal} to ${to}`);
    const refused = this.refusals[to];
    if (refused !== undefined) throw new Error(refused);
    this.attempts.remove(attempt);
    this.nodes = this.nodes.map((node) =>
      // It says so a moment later.
      node.name === to ? { ...node, running: node.running + 1, lastSeen: Date.now() + 1 } : node,
    );
    return { pauseMs: 100, bytes: 1 };
  }

  /** @param agesMs of the jobs, numbered from 1 */
  runs(...agesMs: number[]): this {
    for (const [at, ageMs] of agesMs.entries())
      this.attempts.add({
        ...{ key: `b1.${at + 1}#1`, batch: batchId(1), ordinal: at + 1, index: at + 1, number: 1, slots: 1 },
        ...{ phase: 'running', launcher: 'criu', startedAt: Date.now() - ageMs },
        snapshot: { ordinal: at + 1, record: Buffer.alloc(0), job: freshJob('queued', 0) },
      });
    return this;
  }

  free(...names: string[]): void {
    this.nodes = this.nodes.map((node) => (names.includes(node.name) ? { ...node, running: 0 } : node));
  }

  /** Looks, as a worker does, every two seconds. */
  async pass(seconds: number, order: typeof drain | 'undrained' = drain): Promise<void> {
    for (let at = 0; at < seconds; at += 2) {
      await this.evacuation.look(order === 'undrained' ? undefined : order);
      await vi.advanceTimersByTimeAsync(2000);
    }
  }
}

describe('a node that is drained', () => {
  test('its jobs go where there is room, the longest that is left first, each to a node of its own', async () => {
    const world = new World().runs(90_000, 10_000, 50_000);
    world.meanMs = 100_000;
    await world.pass(2);
    expect(world.moves).toEqual(['2 to n2', '3 to n3']);
    // The third waits for room, and says so once.
    await world.pass(20);
    expect(world.moves).toHaveLength(2);
    expect(world.told).toEqual(['1: n2, n3 had no room for it; it is tried again']);
    world.free('n3');
    await world.pass(4);
    expect(world.moves.at(-1)).toBe('1 to n3');
    expect(world.attempts.size).toBe(0);
  });

  test('where all others are full each keeps the next slot for it, though work waits in the queue', async () => {
    const world = new World().runs(10_000);
    world.nodes = world.nodes.map((node) => ({ ...node, running: 1 }));
    await world.evacuation.look(drain);
    expect([...world.expecting]).toEqual(['n2', 'n3']);
    world.kept.add('n3');
    // Not at the worker's next look only.
    await vi.advanceTimersByTimeAsync(600 + moveMs);
    expect(world.moves).toEqual(['1 to n3']);
  });

  test('moves follow one another without waiting for the next look', async () => {
    const world = new World().runs(1, 2, 3, 4, 5, 6);
    world.nodes = [world.nodes[0] as NodeInfo, nodeInfo('n2', { slots: 6, maxSlots: 6, cpus: 6 })];
    await world.evacuation.look(drain);
    await vi.advanceTimersByTimeAsync(3.5 * moveMs);
    expect(world.moves).toHaveLength(6);
  });

  test('what cannot be moved is waited for, with its reason, told once', async () => {
    const world = new World().runs(1, 2);
    world.obstacles = { 1: 'it runs under plain' };
    await world.pass(30);
    expect(world.moves).toEqual(['2 to n2']);
    expect(world.told).toEqual(['1: it runs under plain']);
    expect(world.ended).toEqual([]);
  });

  test('with --requeue it is ended and queued again, once; what can be moved is not', async () => {
    const world = new World().runs(1, 2);
    world.obstacles = { 1: 'it runs under plain' };
    await world.pass(10, requeue);
    expect(world.ended).toEqual([`b1.1#1 requeue ${defaultLimits.graceMs}`]);
    expect(world.told).toEqual(['1: it runs under plain; it was ended and queued again']);
    expect(world.moves).toEqual(['2 to n2']);
  });

  test('with --requeue a job that finds no room is given some time before it is ended', async () => {
    const world = new World().runs(1);
    world.nodes = world.nodes.map((node) => ({ ...node, running: 9 }));
    await world.pass(28, requeue);
    expect(world.ended).toEqual([]);
    await world.pass(8, requeue);
    expect(world.ended).toHaveLength(1);
  });

  test('a node that refuses is passed over for a while, and asked again', async () => {
    const world = new World().runs(1);
    world.refusals = { n2: 'the program is another build' };
    await world.pass(4);
    expect(world.moves).toEqual(['1 to n2', '1 to n3']);
    const alone = new World().runs(1);
    alone.nodes.pop();
    alone.refusals = { n2: 'it is just full' };
    await alone.pass(4);
    alone.refusals = {};
    await alone.pass(8);
    expect(alone.moves).toEqual(['1 to n2', '1 to n2']);
    expect(alone.attempts.size).toBe(0);
  });

  test('a batch that asks for this node alone keeps its jobs here', async () => {
    const world = new World().runs(1);
    world.spec = { nodes: ['n1'] };
    await world.pass(4);
    expect(world.told).toEqual(['1: no other node that is up may run it']);
  });

  test('jobs that share slots go to a full node', async () => {
    const world = new World();
    world.runs(1);
    for (const attempt of world.attempts.all()) Object.assign(attempt, { oversubscribe: true });
    world.nodes = world.nodes.map((node) => ({ ...node, running: 3 }));
    await world.pass(2);
    expect(world.moves).toHaveLength(1);
  });

  test('undrained in the middle it keeps what it still has', async () => {
    const world = new World().runs(1, 2, 3, 4);
    world.nodes = [world.nodes[0] as NodeInfo, nodeInfo('n2', { slots: 6, maxSlots: 6, cpus: 6 })];
    await world.evacuation.look(drain);
    await world.pass(20, 'undrained');
    expect(world.moves).toHaveLength(2);
    expect(world.attempts.size).toBe(2);
  });
});

describe('a node that leaves', () => {
  const leave = async (world: World, forMs: number, during = async () => {}): Promise<number> => {
    const before = performance.now();
    let took = Number.NaN;
    const leaving = world.evacuation.leave(forMs, 'n1 leaves').then(() => (took = performance.now() - before));
    await during();
    await vi.advanceTimersByTimeAsync(600_000);
    await leaving;
    return took;
  };

  test('moves what it can, and does not wait where nothing can be', async () => {
    const world = new World().runs(1, 2, 3);
    world.obstacles = { 1: 'it runs under plain' };
    expect(await leave(world, 60_000)).toBeLessThan(2 * moveMs);
    expect(world.moves).toHaveLength(2);
    expect(await leave(world, 60_000)).toBe(0);
    expect(world.ended).toEqual([]);
  });

  test('no other node: at once', async () => {
    const world = new World().runs(1, 2);
    world.nodes = world.nodes.map((node) => ({ ...node, state: 'draining' }));
    expect(await leave(world, 60_000)).toBe(0);
  });

  test('waits for room as long as its grace, not longer', async () => {
    const world = new World().runs(1);
    world.nodes = world.nodes.map((node) => ({ ...node, running: 9 }));
    expect(await leave(world, 5000)).toBe(5000);
  });

  test('where every node refuses a job it is not waited for', async () => {
    const world = new World().runs(1);
    world.refusals = { n2: 'no', n3: 'no' };
    expect(await leave(world, 60_000)).toBeLessThan(30_000);
    expect(world.moves).toHaveLength(4);
  });

  test('hurried, it begins no more moves, but ends those under way', async () => {
    const world = new World().runs(1, 2, 3, 4);
    world.nodes = [world.nodes[0] as NodeInfo, nodeInfo('n2', { slots: 6, maxSlots: 6, cpus: 6 })];
    expect(world.evacuation.hurry()).toBe(false);
    const took = await leave(world, 60_000, async () => {
      await vi.advanceTimersByTimeAsync(moveMs / 2);
      expect(world.evacuation.hurry()).toBe(true);
    });
    expect(took).toBe(moveMs);
    expect(world.moves).toHaveLength(2);
  });

  test('a queue that does not answer holds it no longer than its grace', async () => {
    const world = new World().runs(1);
    Object.defineProperty(world, 'nodes', { get: () => new Promise(() => {}) });
    expect(await leave(world, 5000)).toBe(5000);
  });
});
