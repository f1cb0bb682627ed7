import { expect, it } from 'vitest';

import { type BalancedJob, type BalancedNode, decide, emptyHistory } from '../../src/index.ts';

const giga = 1024 ** 3;
const expectedCpuMs = 60_000;

function node(name: string, more: Partial<BalancedNode> = {}): BalancedNode {
  const memory = { memTotal: 16 * giga, memFree: 12 * giga };
  return { name, state: 'up', role: 'both', cpus: 1, speed: 1, externalLoad: 0, ...memory, ...more };
}

/** @param leftMs what it has still to do */
function job(id: string, on: string, leftMs: number, more: Partial<BalancedJob> = {}): BalancedJob {
  const length = { cpuMs: expectedCpuMs - leftMs, expectedCpuMs };
  return { id, node: on, cpus: 1, rss: 1e6, ageMs: 60_000, moves: 0, ...length, ...more };
}

/** One round, as the loads have been for long. */
function moves(nodes: readonly BalancedNode[], jobs: readonly BalancedJob[]): string[] {
  const loads = nodes.map(({ name }) => [
    name,
    { lasting: jobs.filter((each) => each.node === name).length, external: 0 },
  ]);
  const history = {
    ...emptyHistory,
    at: 0,
    nodes: new Map(loads as [string, { lasting: number; external: number }][]),
  };
  const { migrations } = decide({ nodes, jobs }, history, { now: 1000, random: () => 0 });
  return migrations.map((each) => `${each.job} to ${each.to} (${each.cause})`);
}

const three = [node('n1'), node('n2'), node('n3')];

it('of two that share a node one takes the place of one that has less to do, which joins the third', () => {
  // All have done as much as could be done; now 20 s are left for each of the nodes.
  const jobs = [job('a', 'n1', 20_000), job('b', 'n1', 20_000), job('c', 'n2', 10_000), job('d', 'n3', 10_000)];
  expect(moves(three, jobs)).toEqual(['a to n2 (late)', 'c to n3 (late)']);
});

it('not before its time: parts that are still large fit badly', () => {
  const jobs = [job('a', 'n1', 30_000), job('b', 'n1', 30_000), job('c', 'n2', 30_000), job('d', 'n3', 30_000)];
  expect(moves(three, jobs)).toEqual([]);
});

it('one job alone, where that is enough', () => {
  const jobs = [job('a', 'n1', 20_000), job('b', 'n1', 20_000), job('c', 'n2', 2000), job('d', 'n3', 30_000)];
  expect(moves(three, jobs)).toEqual(['a to n2 (late)']);
});

it('in the unit of the nodes’ speed, whichever that is', () => {
  const jobs = [job('a', 'n1', 20_000), job('b', 'n1', 20_000), job('c', 'n2', 10_000), job('d', 'n3', 10_000)];
  const fast = three.map((each) => ({ ...each, speed: 3000 }));
  expect(moves(fast, jobs)).toHaveLength(2);
});

it.each([
  ['nothing is known of one on its node', { expectedCpuMs: undefined }, {}],
  ['one is over what was expected', { cpuMs: 61_000 }, {}],
  ['it cannot be moved', { immovable: 'it has an open socket' }, { immovable: 'it has an open socket' }],
  ['little would be won', { cpuMs: 58_000 }, { cpuMs: 58_000 }],
])('nothing where %s', (_title, one, other) => {
  const dropUndefined = (more: object): object =>
    Object.fromEntries(Object.entries(more).filter(([, value]) => value !== undefined));
  const strip = (each: BalancedJob, more: object): BalancedJob => {
    const { expectedCpuMs: learned, ...rest } = each;
    return {
      ...rest,
      ...('expectedCpuMs' in more ? {} : { expectedCpuMs: learned as number }),
      ...dropUndefined(more),
    };
  };
  const jobs = [
    strip(job('a', 'n1', 20_000), one),
    strip(job('b', 'n1', 20_000), other),
    job('c', 'n2', 1000),
    job('d', 'n3', 10_000),
  ];
  expect(moves(three, jobs)).toEqual([]);
});

it('the reason tells what is won', () => {
  const jobs = [job('a', 'n1', 20_000), job('b', 'n1', 20_000), job('c', 'n2', 2000), job('d', 'n3', 30_000)];
  const { migrations } = decide({ nodes: three, jobs }, { ...emptyHistory, at: 0 }, { now: 1000, random: () => 0 });
  expect(migrations[0]?.reason).toBe('so that all is done in 30 s, not 40 s');
});
