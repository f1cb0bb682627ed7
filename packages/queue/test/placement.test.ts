import { defaultLimits, type Revision } from '@omx/core';
import { describe, expect, test } from 'vitest';

import {
  chunkRequirement,
  classesOf,
  nodesFor,
  parsePlacementClass,
  placementClass,
  type Requirement,
  suits,
} from '../src/placement.ts';
import { arraySpec } from '../../../test/kit/spec.ts';

const GiB = 2 ** 30;
const n1 = { name: 'n1', labels: { gpu: 'yes', disk: 'a=b,c~d' }, maxSlots: 4, memTotal: 8 * GiB };
const ask = (more: Partial<Requirement>): Requirement => ({
  nodes: [],
  labels: {},
  cpus: 1,
  memBytes: 0,
  oversubscribe: false,
  ...more,
});

test.each<[string, Requirement, boolean]>([
  ['nothing', ask({}), true],
  ['its name', ask({ nodes: ['n1'] }), true],
  ['one of two names', ask({ nodes: ['n0', 'n1'] }), true],
  ['another name', ask({ nodes: ['n2'] }), false],
  ['a label', ask({ labels: { gpu: 'yes' } }), true],
  ['another value', ask({ labels: { gpu: 'no' } }), false],
  ['a label with every mark', ask({ labels: { disk: 'a=b,c~d' } }), true],
  ['name and another label', ask({ nodes: ['n1'], labels: { gpu: 'no' } }), false],
  ['all its slots', ask({ cpus: 4 }), true],
  ['more slots', ask({ cpus: 5 }), false],
  ['all its memory', ask({ memBytes: 8 * GiB }), true],
  ['to share slots', ask({ oversubscribe: true }), true],
  ['the launcher criu', ask({ launcher: 'criu' }), true],
  ['more memory', ask({ memBytes: 8 * GiB + 1 }), false],
])('a job that asks for %s runs on n1: %s', (_name, requirement, expected) => {
  expect(suits(requirement, n1)).toBe(expected);
  // The class a chunk travels in says the same.
  expect(parsePlacementClass(placementClass(requirement))).toEqual(requirement);
});

test('a node that does not know its memory may have enough', () => {
  expect(suits(ask({ memBytes: GiB }), { ...n1, memTotal: 0 })).toBe(true);
});

test('the name of a class', () => {
  expect(placementClass(ask({}))).toBe('any');
  expect(placementClass(ask({ nodes: ['b', 'a'], labels: { k: 'v' }, cpus: 2, memBytes: 5 }))).toBe(
    'node=a,node=b,label=k~v,cpus=2,mem=5',
  );
  // Apart from the others, as a node without a free slot takes of them, too.
  expect(placementClass(ask({ oversubscribe: true }))).toBe('shared=yes');
  // BullMQ forbids `:` in names, and braces would part Redis's slots.
  expect(placementClass(ask({ nodes: ['a{b}'], labels: { 'x:y': '{z}' } }))).not.toMatch(/[:{}]/);
});

describe('after reruns with other limits', () => {
  const revisions: Revision[] = [
    { jobs: '2-4', limits: { memBytes: 4 * GiB } },
    { jobs: '4', limits: { cpus: 2, retries: 9 } },
  ];
  const batch = { spec: arraySpec(10, { nodes: ['n1'], limits: { ...defaultLimits, memBytes: GiB } }), revisions };

  test.each<[number, number, number, number]>([
    [0, 1, 1, 1],
    [2, 3, 1, 4],
    [1, 2, 1, 4],
    [4, 4, 2, 4],
  ])('jobs %i-%i ask for %i slots and %i GiB', (first, last, cpus, gib) => {
    const requirement = chunkRequirement(batch, [{ first, last }]);
    expect(requirement).toEqual({ nodes: ['n1'], labels: {}, cpus, memBytes: gib * GiB, oversubscribe: false });
    expect(classesOf(batch)).toContain(placementClass(requirement));
  });
});

test('a job that needs a launcher goes to nodes with it, and to any that could hold it where none has it', () => {
  const needy = ask({ launcher: 'criu', cpus: 2 });
  const plain = { ...n1, launchers: ['plain' as const] };
  const able = { ...n1, name: 'n2', launchers: ['plain' as const, 'criu' as const] };
  const small = { ...able, name: 'n3', maxSlots: 1 };
  const names = (nodes: readonly { name: string }[]): string[] => nodes.map(({ name }) => name);
  expect(names(nodesFor(needy, [plain, able, small]))).toEqual(['n2']);
  expect(names(nodesFor(needy, [plain, small]))).toEqual(['n1']);
  // What may have it in a moment is waited for, unless there is one that has it.
  const trying = { ...plain, name: 'n4', trying: ['criu' as const] };
  expect(names(nodesFor(needy, [plain, trying, small]))).toEqual(['n4']);
  expect(names(nodesFor(needy, [plain, trying, able]))).toEqual(['n2']);
  expect(names(nodesFor(ask({}), [plain, able, small]))).toEqual(['n1', 'n2', 'n3']);
});
