import { expect, test } from 'vitest';

import { bestPlace, type Place } from '../../src/index.ts';
import { seeded } from '../../src/simulator/seeded.ts';

const giga = 1024 ** 3;
const place = (name: string, more: Partial<Place> = {}): Place => ({
  name,
  state: 'up',
  role: 'both',
  cpus: 2,
  speed: 1,
  externalLoad: 0,
  memTotal: 16 * giga,
  memFree: 12 * giga,
  freeSlots: 2,
  load: 0,
  ...more,
});
const job = { cpus: 1, rss: giga, slots: 1 };
const best = (nodes: readonly Place[], more: object = {}, seed = 1): string | undefined =>
  bestPlace({ ...job, ...more }, nodes, { random: seeded(seed) });

test.each<[string, Partial<Place>]>([
  ['is drained', { state: 'drained' }],
  ['is lost', { state: 'down' }],
  ['takes no work', { role: 'home' }],
  ['has no slot free', { freeSlots: 0 }],
  ['would be short of memory', { memFree: 3 * giga }],
  ['is more crowded', { load: 4 }],
  ['is slower', { speed: 0.5 }],
])('not to one that %s', (_title, worse) => {
  expect(best([place('bad', worse), place('good', { load: 0.5 })])).toBe('good');
});

test('to a crowded one rather than nowhere, never to one that cannot have it', () => {
  expect(best([place('busy', { load: 9 })])).toBe('busy');
  expect(best([place('full', { freeSlots: 0 }), place('far', { state: 'quarantined' })])).toBeUndefined();
  expect(best([place('a'), place('b', { load: 9 })], { places: new Set(['b']) })).toBe('b');
  expect(best([place('a')], { places: new Set() })).toBeUndefined();
});

test('a job that shares slots goes to a full node, too', () => {
  const { slots: _, ...sharing } = job;
  expect(bestPlace(sharing, [place('full', { freeSlots: -3, load: 5 })], { random: () => 0 })).toBe('full');
});

test('of nodes that are as good any may be drawn', () => {
  const drawn = new Set(Array.from({ length: 40 }, (_, seed) => best([place('a'), place('b')], {}, seed + 1)));
  expect(drawn).toEqual(new Set(['a', 'b']));
});
