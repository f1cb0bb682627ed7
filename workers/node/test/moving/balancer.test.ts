import { type BatchId, batchId, type NodeInfo } from '@omx/core';
import type { BalancerSeat, Migrated, MovableJob, NodeAsker, Refusal } from '@omx/queue';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { pino } from 'pino';

import { type Attempt, Attempts } from '../../src/attempt.ts';
import { Balancer } from '../../src/moving/balancer.ts';
import { nodeInfo } from './nodes.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const moved: Migrated = { pauseMs: 100, bytes: 1 };

/** Nodes whose jobs are what the test says, and who move them when they are asked. */
class World {
  readonly asked: string[] = [];
  readonly attempts = new Attempts();
  seatOf = 'n1';
  nodes: NodeInfo[] = [nodeInfo('n1'), nodeInfo('n2')];
  readonly jobs = new Map<string, MovableJob[]>();
  /** What is learned of the batch's jobs. */
  expectedCpuMs: number | undefined;
  answer: (to: string) => Migrated | Refusal = () => moved;
  readonly balancer: Balancer;

  constructor() {
    const asker = {
      askJson: async (node: string, request: { type: string; to?: string; ordinal?: number }) => {
        if (request.type === 'movable') {
          this.asked.push(`movable ${node}`);
          const jobs = this.jobs.get(node);
          if (jobs === undefined) throw new Error('its worker does not answer');
          return { jobs };
        }
        const { to = '', ordinal = -1 } = request;
        this.asked.push(`move ${ordinal} from ${node} to ${to}`);
        const answer = this.answer(to);
        if ('refused' in answer) return answer;
        const job = this.jobs.get(node)?.find((each) => each.ordinal === ordinal);
        if (job === undefined) return { refused: 'it is not here' };
        this.jobs.set(node, this.jobs.get(node)?.filter((each) => each !== job) ?? []);
        this.jobs.set(to, [...(this.jobs.get(to) ?? []), { ...job, moves: job.moves + 1, lastMovedMsAgo: 0 }]);
        return answer;
      },
    } as unknown as NodeAsker;
    const seat = { take: async () => this.seatOf === 'n1', leave: async () => void this.asked.push('leave') };
    const lengths = {
      all: async (batches: ReadonlySet<BatchId>) =>
        new Map([...batches].flatMap((id) => (this.expectedCpuMs === undefined ? [] : [[id, this.expectedCpuMs]]))),
    };
    this.balancer = new Balancer({
      lengths,
      ...{ seat: seat as unknown as BalancerSeat, nodes: { list: async () => this.nodes }, asker },
      ...{ attempts: this.attempts, log: pino({ enabled: false }), random: () => 0 },
    });
  }

  runs(launcher: 'criu' | 'plain'): this {
    this.attempts.add({ key: 'b1.1#1', phase: 'running', launcher, slots: 1 } as Attempt);
    return this;
  }

  /** So many seconds pass. @returns the moves that were asked for */
  async pass(seconds: number): Promise<string[]> {
    const before = this.asked.length;
    const end = performance.now() + seconds * 1000;
    while (performance.now() < end) {
      const next = await this.balancer.look();
      for (const jobs of this.jobs.values())
        for (const [at, job] of jobs.entries())
          jobs[at] = { ...job, ageMs: job.ageMs + next, lastMovedMsAgo: (job.lastMovedMsAgo ?? 1e9) + next };
      await vi.advanceTimersByTimeAsync(next);
    }
    return this.asked.slice(before).filter((text) => text.startsWith('move '));
  }
}

function job(ordinal: number, more: Partial<MovableJob> = {}): MovableJob {
  const name = { id: `b1.${ordinal}`, batch: batchId(1), ordinal, attempt: 1 };
  return {
    ...{ ...name, cpus: 1, rss: 1e6, slots: 1, oversubscribe: false, ageMs: 60_000, cpuMs: 60_000, moves: 0 },
    ...more,
  };
}

test('without a job that can be moved nothing is asked, and nobody else is kept from it', async () => {
  const world = new World().runs('plain');
  await world.pass(10);
  expect(world.asked).toEqual([]);
});

test('one worker at a time', async () => {
  const world = new World().runs('criu');
  world.seatOf = 'n2';
  world.jobs.set('n1', [job(1), job(2)]).set('n2', []);
  await world.pass(10);
  expect(world.asked).toEqual([]);
  world.seatOf = 'n1';
  expect(await world.pass(10)).toEqual(['move 1 from n1 to n2']);
});

test('one of two jobs goes to the idle node, and there it stays', async () => {
  const world = new World().runs('criu');
  world.jobs.set('n1', [job(1), job(2)]).set('n2', []);
  expect(await world.pass(60)).toHaveLength(1);
  expect([...world.jobs.values()].map((jobs) => jobs.length)).toEqual([1, 1]);
});

test('a move that was refused is not asked for again soon, and the load stays where it is', async () => {
  const world = new World().runs('criu');
  world.nodes.push(nodeInfo('n3', { speed: 90 }));
  world.jobs
    .set('n1', [job(1), job(2, { immovable: 'it runs under plain' })])
    .set('n2', [])
    .set('n3', []);
  world.answer = (to) => (to === 'n2' ? { refused: 'the program is another build' } : moved);
  // The other node is slower, yet better than half a processor.
  expect(await world.pass(30)).toEqual(['move 1 from n1 to n2', 'move 1 from n1 to n3']);
});

test('jobs that must not move and nodes that have no slot for them are left alone', async () => {
  const world = new World().runs('criu');
  world.jobs.set('n1', [job(1, { immovable: 'its batch has --balance off' }), job(2, { places: [] })]).set('n2', []);
  expect(await world.pass(20)).toEqual([]);
  // It sleeps, and has the slot.
  world.jobs.set('n1', [job(1), job(2)]).set('n2', [job(3, { cpus: 0 })]);
  expect(await world.pass(20)).toEqual([]);
  world.jobs.set('n1', [job(1, { oversubscribe: true }), job(2)]);
  expect(await world.pass(20)).toEqual(['move 1 from n1 to n2']);
});

test('a node that does not answer neither gives nor takes', async () => {
  const world = new World().runs('criu');
  world.jobs.set('n1', [job(1), job(2)]);
  expect(await world.pass(20)).toEqual([]);
});

test('who does it goes on when its own jobs have ended, and leaves it when there are none anywhere', async () => {
  const world = new World().runs('criu');
  world.jobs.set('n1', [job(1)]).set('n2', [job(2), job(3)]);
  await world.pass(5);
  for (const attempt of world.attempts.all()) world.attempts.remove(attempt);
  world.jobs.set('n1', []);
  expect(await world.pass(8)).toEqual(['move 2 from n2 to n1']);
  world.jobs.set('n1', []).set('n2', []);
  await world.pass(20);
  expect(world.asked.at(-1)).toBe('leave');
});

test('a job that has just come is taken to want what it wanted before', async () => {
  const world = new World().runs('criu');
  world.jobs
    .set('n1', [job(1), job(2)])
    .set('n2', [job(3), job(4)])
    .set('n3', []);
  world.nodes.push(nodeInfo('n3'));
  const shared = (more: Partial<MovableJob>) => (each: MovableJob) => ({ ...each, oversubscribe: true, ...more });
  for (const [name, jobs] of world.jobs) world.jobs.set(name, jobs.map(shared({})));
  // It waited at its gate, so the first looks at it show next to nothing.
  const measure = (): void =>
    void world.jobs.set(
      'n3',
      (world.jobs.get('n3') ?? []).map((each) => shared({ cpus: (each.lastMovedMsAgo ?? 1e9) < 4000 ? 0.1 : 1 })(each)),
    );
  const measuring = setInterval(measure, 100);
  expect(await world.pass(10)).toHaveLength(1);
  clearInterval(measuring);
});

test('how long jobs run is asked only of those that share slots', async () => {
  const world = new World().runs('criu');
  world.nodes.push(nodeInfo('n3'));
  world.expectedCpuMs = 60_000;
  const left = (ordinal: number, leftMs: number, oversubscribe: boolean): MovableJob =>
    job(ordinal, { cpuMs: 60_000 - leftMs, oversubscribe });
  const place = (shares: boolean): void =>
    void world.jobs
      .set('n1', [left(1, 20_000, shares), left(2, 20_000, shares)])
      .set('n2', [left(3, 10_000, shares)])
      .set('n3', [left(4, 10_000, shares)]);
  place(false);
  expect(await world.pass(5)).toEqual([]);
  place(true);
  expect(await world.pass(2)).toHaveLength(2);
});
