import { describe, expect, it } from 'vitest';

import {
  type BalancedJob,
  type BalancedNode,
  decide,
  emptyHistory,
  type MigrationPolicy,
  withoutMove,
} from '../../src/index.ts';
import { seeded } from '../../src/simulator/seeded.ts';

const giga = 1024 ** 3;

function node(name: string, more: Partial<BalancedNode> = {}): BalancedNode {
  return {
    name,
    state: 'up',
    role: 'both',
    cpus: 1,
    speed: 1,
    externalLoad: 0,
    memTotal: 16 * giga,
    memFree: 12 * giga,
    ...more,
  };
}

function job(id: string, on: string, more: Partial<BalancedJob> = {}): BalancedJob {
  return { id, node: on, cpus: 1, rss: 1e6, ageMs: 60_000, moves: 0, ...more };
}

/** Decides every second on the same, as nobody carries it out, and gives the first migrations there are. */
function settle(
  nodes: readonly BalancedNode[],
  jobs: readonly BalancedJob[],
  { seed = 1, policy = {} }: { seed?: number; policy?: Partial<MigrationPolicy> } = {},
) {
  const random = seeded(seed);
  let history = emptyHistory;
  for (let now = 1_000_000; now < 1_030_000; now += 1000) {
    const round = decide({ nodes, jobs }, history, { now, random, policy });
    if (round.migrations.length > 0) return { ...round, after: now - 1_000_000 };
    history = round.history;
  }
  return { migrations: [], history, after: Infinity };
}

describe('crowded processors', () => {
  it('one of two jobs goes to the idle node, with the reason', () => {
    const { migrations } = settle([node('n1'), node('n2')], [job('b1.0', 'n1'), job('b1.1', 'n1')]);
    expect(migrations).toEqual([
      {
        job: 'b1.0',
        from: 'n1',
        to: 'n2',
        cause: 'crowded',
        reason: expect.stringMatching(/^1\.\d CPUs are wanted of the 1 of n1; on n2 it gets on 1\.\d times as fast$/),
        costMs: 305,
      },
    ]);
  });

  it('a rise is acted on only when it has lasted', () => {
    const nodes = [node('n1'), node('n2')];
    const jobs = [job('b1.0', 'n1'), job('b1.1', 'n1')];
    const first = decide({ nodes, jobs }, emptyHistory, { now: 0, random: () => 0 });
    expect(first.migrations).toEqual([]);
    const gone = decide({ nodes, jobs: jobs.slice(1) }, first.history, { now: 1000, random: () => 0 });
    // The load fell at once, so the rise starts anew.
    const back = decide({ nodes, jobs }, gone.history, { now: 2000, random: () => 0 });
    expect([gone.migrations, back.migrations]).toEqual([[], []]);
    expect(settle(nodes, jobs).after).toBeGreaterThanOrEqual(2000);
  });

  it.each([
    ['a second node with a job of its own', [node('n1'), node('n2')], [job('a', 'n1'), job('b', 'n1'), job('c', 'n2')]],
    ['a node that somebody else uses', [node('n1'), node('n2', { externalLoad: 1 })], [job('a', 'n1'), job('b', 'n1')]],
    [
      'jobs that hardly want a processor',
      [node('n1'), node('n2')],
      Array.from({ length: 20 }, (_, at) => job(`${at}`, 'n1', { cpus: 0.1 })),
    ],
    ['a node that is only a little faster', [node('n1'), node('n2', { speed: 1.25, cpus: 4 })], [job('a', 'n1')]],
    ['processors enough for all', [node('n1', { cpus: 2 }), node('n2', { cpus: 2 })], [job('a', 'n1'), job('b', 'n1')]],
  ])('nothing is gained by %s', (_title, nodes, jobs) => {
    expect(settle(nodes, jobs).migrations).toEqual([]);
  });

  it('what others want counts: jobs leave a node that its owner uses', () => {
    const [migration] = settle([node('n1', { externalLoad: 3 }), node('n2')], [job('a', 'n1')]).migrations;
    expect(migration).toMatchObject({ job: 'a', to: 'n2', reason: expect.stringContaining('3.0 of them by others') });
  });

  it('a job goes to a clearly faster idle node', () => {
    const [migration] = settle([node('n1'), node('n2', { speed: 2 })], [job('a', 'n1')]).migrations;
    expect(migration).toMatchObject({ to: 'n2', cause: 'slow', reason: 'n2 is 2.0 times as fast as n1' });
  });

  it('one job too many on a large node is moved, though it makes little difference to each', () => {
    const jobs = [
      ...Array.from({ length: 17 }, (_, at) => job(`a${at}`, 'n1')),
      ...Array.from({ length: 15 }, (_, at) => job(`b${at}`, 'n2')),
    ];
    expect(settle([node('n1', { cpus: 16 }), node('n2', { cpus: 16 })], jobs).migrations).toHaveLength(1);
  });

  it.each([
    [3.5, 1],
    [3.75, 0],
  ])(
    'with %d of 4 CPUs in use elsewhere, one job of five for four: %d moves, as it counts 1.3 times there',
    (externalLoad, most) => {
      const jobs = Array.from({ length: 5 }, (_, at) => job(`${at}`, 'n1'));
      const { migrations } = settle([node('n1', { cpus: 4 }), node('n2', { cpus: 4, externalLoad })], jobs);
      expect(migrations).toHaveLength(most);
    },
  );

  it('a node is trusted to stay free only some time after others have left it', () => {
    const jobs = [job('a', 'n1'), job('b', 'n1')];
    let history = emptyHistory;
    let decidedAt = 0;
    for (let now = 0; decidedAt === 0 && now < 60_000; now += 1000) {
      const nodes = [node('n1'), node('n2', { externalLoad: now < 10_000 ? 3 : 0 })];
      const round = decide({ nodes, jobs }, history, { now, random: () => 0 });
      history = round.history;
      if (round.migrations.length > 0) decidedAt = now;
    }
    expect(decidedAt).toBeGreaterThanOrEqual(15_000);
    expect(decidedAt).toBeLessThanOrEqual(30_000);
  });

  it('two nodes do not swap: for a while nothing goes back, unless to idle processors', () => {
    const rise = (externalLoad: number): BalancedNode[] => [node('n1'), node('n2', { externalLoad })];
    const jobs = [job('a', 'n1'), job('b', 'n1')];
    const { migrations, history, after } = settle(rise(0), jobs);
    expect(migrations).toMatchObject([{ job: 'a', to: 'n2' }]);
    // It arrives there together with two that want to go to n1, which is not idle.
    const arrived = [job('a', 'n2'), job('b', 'n1'), job('c', 'n2'), job('d', 'n2')];
    const began = 1_000_000 + after;
    let next = history;
    let wentBackAt = 0;
    for (let now = began + 1000; wentBackAt === 0 && now < began + 60_000; now += 1000) {
      const round = decide({ nodes: rise(2), jobs: arrived }, next, { now, random: () => 0 });
      next = round.history;
      if (round.migrations.length > 0) wentBackAt = now;
    }
    expect(wentBackAt - began).toBe(10_000);
  });

  it('a job of many threads goes where there are processors for them', () => {
    const nodes = [node('n1'), node('n2'), node('n3', { cpus: 4, externalLoad: 0.5 })];
    expect(settle(nodes, [job('a', 'n1', { cpus: 4 })]).migrations).toMatchObject([{ to: 'n3' }]);
  });

  it('a job so large that moving takes longer than it helps stays', () => {
    const nodes = [node('n1'), node('n2')];
    const jobs = ['a', 'b'].map((id) => job(id, 'n1', { rss: 2 * giga, ageMs: 10_000 }));
    expect(settle(nodes, jobs).migrations).toEqual([]);
    expect(
      settle(
        nodes,
        jobs.map((each) => ({ ...each, ageMs: 600_000 })),
      ).migrations,
    ).toHaveLength(1);
  });

  it.each([
    ['has just begun', { ageMs: 2000 }],
    ['is about to end, as far as is known', { cpuMs: 59_000, expectedCpuMs: 60_000 }],
    ['cannot be moved', { immovable: 'it has an open socket' }],
    ['may not run there', { places: new Set(['n1']) }],
    ['was moved lately', { lastMovedAt: 1_000_000 - 1000, moves: 1 }],
  ])('a job that %s stays', (_title, more) => {
    const stays = [job('a', 'n1', more), job('b', 'n1', more)];
    const { migrations } = settle([node('n1'), node('n2', { externalLoad: 0.2 })], stays, {
      // So that what is tried is over before the rest is.
      policy: { jobRestMs: 60_000 },
    });
    expect(migrations).toEqual([]);
    expect(
      settle([node('n1'), node('n2', { externalLoad: 0.2 })], [...stays, job('c', 'n1')]).migrations,
    ).toMatchObject([{ job: 'c' }]);
  });

  it.each([
    ['draining', { state: 'draining' }],
    ['drained', { state: 'drained' }],
    ['in quarantine', { state: 'quarantined' }],
    ['down', { state: 'down' }],
    ['of the home role', { role: 'home' }],
    ['short of memory', { memFree: 2 * giga }],
  ] as const)('a node that is %s gets none', (_title, more) => {
    const jobs = [job('a', 'n1'), job('b', 'n1')];
    expect(settle([node('n1'), node('n2', more)], jobs).migrations).toEqual([]);
    expect(settle([node('n1'), node('n2', more), node('n3')], jobs).migrations).toMatchObject([{ to: 'n3' }]);
  });

  it('a job that is being moved counts where it goes, so that a burst does not pile up', () => {
    const nodes = [node('n1'), node('n2'), node('n3')];
    const jobs = Array.from({ length: 6 }, (_, at) => job(`${at}`, 'n1'));
    const random = seeded(7);
    let history = emptyHistory;
    const went = new Map<string, number>();
    for (let now = 0; now < 20_000; now += 1000) {
      const round = decide({ nodes, jobs }, history, { now, random });
      history = round.history;
      for (const { to } of round.migrations) went.set(to, (went.get(to) ?? 0) + 1);
    }
    expect(Object.fromEntries(went)).toEqual({ n2: 2, n3: 2 });
  });

  it('a move that never happened is forgotten, and the job is tried again', () => {
    const nodes = [node('n1'), node('n2')];
    const jobs = [job('a', 'n1'), job('b', 'n1', { immovable: 'it has an open socket' })];
    let history = emptyHistory;
    const decidedAt: number[] = [];
    for (let now = 0; now < 100_000; now += 1000) {
      const round = decide({ nodes, jobs }, history, { now, random: () => 0 });
      history = round.history;
      if (round.migrations.length > 0) decidedAt.push(now);
    }
    expect(decidedAt).toHaveLength(2);
    expect((decidedAt[1] as number) - (decidedAt[0] as number)).toBe(60_000);
  });

  it('draws among nodes that are as good, and never one that is worse', () => {
    const nodes = [node('n1'), node('n2'), node('n3'), node('n4', { speed: 0.97 }), node('n5', { speed: 0.6 })];
    const jobs = [job('a', 'n1'), job('b', 'n1')];
    const drawn = new Set(Array.from({ length: 60 }, (_, seed) => settle(nodes, jobs, { seed }).migrations[0]?.to));
    expect([...drawn].sort()).toEqual(['n2', 'n3', 'n4']);
  });

  it('a round decides no more than its bound, and asks no more of a node than it bears', () => {
    const nodes = Array.from({ length: 40 }, (_, at) => node(`n${at}`, { cpus: 8 }));
    const jobs = Array.from({ length: 300 }, (_, at) => job(`${at}`, `n${at % 3}`));
    const { migrations } = settle(nodes, jobs, { policy: { mostMoves: 10 } });
    expect(migrations).toHaveLength(10);
    const { migrations: all } = settle(nodes, jobs);
    expect(all).toHaveLength(12);
    for (const from of ['n0', 'n1', 'n2']) expect(all.filter((each) => each.from === from)).toHaveLength(4);
  });
});

describe('memory', () => {
  const short = node('n1', { cpus: 8, memFree: 0.5 * giga });

  it('a node short of memory sends the smallest job that is enough, even to a busier node', () => {
    const jobs = [
      job('small', 'n1', { rss: 0.1 * giga }),
      job('right', 'n1', { rss: giga }),
      job('large', 'n1', { rss: 8 * giga }),
      job('other', 'n2'),
      job('more', 'n2'),
    ];
    expect(settle([short, node('n2')], jobs)).toMatchObject({
      after: 0,
      migrations: [
        {
          job: 'right',
          to: 'n2',
          cause: 'memory',
          reason: 'n1 has only 512MiB of its 16GiB memory free, n2 has room for the job’s 1GiB',
        },
      ],
    });
  });

  it('where none is enough, the largest goes, and then what is enough', () => {
    const jobs = [0.3, 0.4, 0.5, 0.2].map((size, at) => job(`${at}`, 'n1', { rss: size * giga }));
    expect(settle([short, node('n2')], jobs).migrations.map(({ job }) => job)).toEqual(['2', '0']);
  });

  it('comes before processors, and goes to the least loaded of the nodes with room', () => {
    const nodes = [
      short,
      node('n2', { externalLoad: 2 }),
      node('n3', { externalLoad: 1 }),
      node('n4', { memFree: 3 * giga }),
    ];
    const jobs = [job('big', 'n1', { rss: 4 * giga }), job('a', 'n2'), job('b', 'n2')];
    expect(settle(nodes, jobs, { policy: { mostMoves: 1 } }).migrations).toMatchObject([
      { job: 'big', to: 'n3', cause: 'memory' },
    ]);
  });

  it('nothing is sent where no node would have enough left', () => {
    expect(settle([short, node('n2', { memFree: 4 * giga })], [job('a', 'n1', { rss: 2 * giga })]).migrations).toEqual(
      [],
    );
  });

  it('what a job that leaves has in use is not given to another before it has gone', () => {
    const full = node('n1', { memTotal: 4 * giga, memFree: 0 });
    const nodes = [full, node('n2', { externalLoad: 3 })];
    const jobs = [
      ...Array.from({ length: 2 }, (_, at) => job(`out${at}`, 'n1', { rss: 2 * giga, cpus: 0 })),
      ...Array.from({ length: 3 }, (_, at) => job(`in${at}`, 'n2')),
    ];
    let history = emptyHistory;
    const all: string[] = [];
    for (let now = 0; now < 20_000; now += 1000) {
      const round = decide({ nodes, jobs }, history, { now, random: () => 0 });
      history = round.history;
      all.push(...round.migrations.map(({ job: id, to }) => `${id} to ${to}`));
    }
    expect(all).toEqual(['out0 to n2']);
  });

  it('what is on its way counts on both nodes', () => {
    const nodes = [short, node('n2', { memFree: 5 * giga })];
    const jobs = Array.from({ length: 4 }, (_, at) => job(`${at}`, 'n1', { rss: 2 * giga }));
    const first = decide({ nodes, jobs }, emptyHistory, { now: 0, random: () => 0 });
    expect(first.migrations).toHaveLength(1);
    expect(decide({ nodes, jobs }, first.history, { now: 1000, random: () => 0 }).migrations).toEqual([]);
  });
});

it('says the same to the same, and changes nothing it is given', () => {
  const nodes = [node('n1'), node('n2'), node('n3')].map((each) => Object.freeze(each));
  const jobs = Array.from({ length: 9 }, (_, at) => Object.freeze(job(`${at}`, 'n1')));
  const snapshot = Object.freeze({ nodes: Object.freeze(nodes), jobs: Object.freeze(jobs) });
  expect(settle(snapshot.nodes, snapshot.jobs, { seed: 3 })).toEqual(
    settle(snapshot.nodes, snapshot.jobs, { seed: 3 }),
  );
});

it('copes with no nodes, no jobs, and jobs of nodes it does not know', () => {
  expect(settle([], []).migrations).toEqual([]);
  expect(settle([node('n1')], [job('a', 'gone'), job('b', 'n1', { cpus: 0, rss: 0 })]).migrations).toEqual([]);
});

describe('slots', () => {
  const crowded = node('n1');
  const room = (freeSlots: number) => node('n2', { cpus: 4, freeSlots });

  /** Who is sent to the second node over some rounds, none of which is carried out yet. */
  function sent(freeSlots: number, slots: number | undefined): number {
    const jobs = Array.from({ length: 4 }, (_, at) => job(`${at}`, 'n1', slots === undefined ? {} : { slots }));
    let history = emptyHistory;
    let count = 0;
    for (let now = 0; now < 20_000; now += 1000) {
      const round = decide({ nodes: [crowded, room(freeSlots)], jobs }, history, { now, random: () => 0 });
      history = round.history;
      count += round.migrations.length;
    }
    return count;
  }

  it.each([
    [0, 1, 0],
    [2, 1, 2],
    [3, 2, 1],
    [1, 2, 0],
    [9, 1, 3],
  ])('to %d free slots, jobs of %d slots: %d', (free, slots, expected) => {
    expect(sent(free, slots)).toBe(expected);
  });

  it('jobs that share them go to full nodes, too', () => {
    expect(sent(-2, undefined)).toBe(3);
  });
});

it('a move that was not made is forgotten: its job may go elsewhere at once, and counts where it is', () => {
  const nodes = [node('n1'), node('n2')];
  const jobs = [job('a', 'n1'), job('b', 'n1')];
  const { history, migrations } = settle(nodes, jobs);
  const [moved] = migrations;
  expect(history.assignments.has(String(moved?.job))).toBe(true);
  const options = { now: 1_010_000, random: () => 0 };
  expect(decide({ nodes, jobs }, history, options).migrations).toEqual([]);
  expect(decide({ nodes, jobs }, withoutMove(history, String(moved?.job)), options).migrations).toHaveLength(1);
  expect(withoutMove(history, 'unknown')).toBe(history);
});
