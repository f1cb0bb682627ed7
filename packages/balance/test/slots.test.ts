import { expect, test } from 'vitest';
import { crowdedPatienceMs, mayTakeCrowded, type OtherNodes, slotsNow } from '../src/index.ts';

/** What it says for a series of loads, from a quiet node on. */
function series(loads: readonly number[], cpus: number, maxSlots = cpus): number[] {
  let previous = maxSlots;
  return loads.map((externalLoad) => (previous = slotsNow({ cpus, maxSlots, externalLoad, previous })));
}

test('outsiders keep what they want, jobs get the rest', () => {
  expect(series([0, 1, 2, 3, 4, 4, 0], 4)).toEqual([4, 3, 2, 1, 0, 0, 4]);
  expect(series([2.3, 7.9, 12, 100], 8)).toEqual([6, 0, 0, 0]);
});

test('a slot more or less than CPUs: each stands for an equal part of the node', () => {
  expect(series([0, 2, 4], 4, 8)).toEqual([8, 4, 0]);
  expect(series([0, 2, 4], 4, 2)).toEqual([2, 1, 0]);
});

test('a node of a third of a CPU offers its one slot until outsiders want most of it', () => {
  expect(series([0, 0.1, 0.2, 0.3, 1, 0.2, 0.1, 0], 0.35, 1)).toEqual([1, 1, 1, 0, 0, 0, 1, 1]);
});

test.each([0.5, 1.5, 2.5, 3.5])('outsiders who want %d CPUs, give or take, do not make the slots flap', (middle) => {
  for (const start of [0, 4]) {
    const wave = Array.from({ length: 40 }, (_, beat) => middle + 0.12 * Math.sin(beat * 2.4));
    const slots = series([start, ...wave], 4).slice(1);
    expect(new Set(slots).size).toBe(1);
  }
});

test('whole CPUs are told exactly, from above and from below', () => {
  for (const start of [0, 4]) for (const load of [0, 1, 2, 3, 4]) expect(series([start, load], 4)[1]).toBe(4 - load);
});

test('it never leaves its bounds, whatever it is told', () => {
  const of = (externalLoad: number, cpus: number, previous: number): number =>
    slotsNow({ cpus, maxSlots: 2, externalLoad, previous });
  expect([of(-1, 2, 2), of(0, 0, 2), of(Infinity, 2, 2), of(0, 2, 99), of(9, 2, -5)]).toEqual([2, 0, 0, 2, 0]);
  expect(slotsNow({ cpus: 2, maxSlots: 0, externalLoad: 0, previous: 0 })).toBe(0);
});

test.each(['none', 'full', 'free'] as const)('crowded, others %s: one job, when they had their chance', (others) => {
  const patience = crowdedPatienceMs[others];
  expect(mayTakeCrowded({ running: 0, waitedMs: patience, others })).toBe(true);
  expect(mayTakeCrowded({ running: 1, waitedMs: 1e9, others })).toBe(false);
  expect(mayTakeCrowded({ running: 0, waitedMs: patience - 1, others })).toBe(false);
});

test('the better the others could take it, the longer they are given; alone there is nobody to wait for', () => {
  const waits = (['none', 'full', 'free'] satisfies OtherNodes[]).map((others) => crowdedPatienceMs[others]);
  expect(waits).toEqual(waits.toSorted((a, b) => a - b));
  expect(waits[0]).toBe(0);
});
