import type { NodeInfo } from '@omx/core';
import type { Requirement } from '@omx/queue';
import { describe, expect, test } from 'vitest';

import { neverPlaced, notPlaced } from '../../src/why/placement.ts';

const GiB = 2 ** 30;
const nodeOf = (more: Partial<NodeInfo>): NodeInfo =>
  ({
    name: 'n1',
    role: 'both',
    state: 'up',
    reason: '',
    slots: 4,
    maxSlots: 4,
    running: 0,
    memTotal: 8 * GiB,
    labels: {},
    ...more,
  }) as NodeInfo;
const ask = (more: Partial<Requirement>): Requirement => ({
  nodes: [],
  labels: {},
  cpus: 1,
  memBytes: 0,
  oversubscribe: false,
  ...more,
});
const n1 = nodeOf({});
const n2 = nodeOf({ name: 'n2', slots: 2, maxSlots: 2, memTotal: 32 * GiB, labels: { gpu: 'yes' } });

describe('what no node could ever give', () => {
  test.each<[string, Requirement, RegExp]>([
    ['an unknown node', ask({ nodes: ['n9'] }), /^it asks for node n9 \(--node\), which has never joined$/],
    ['a label', ask({ labels: { gpu: 'no' } }), /gpu=no \(--label\).*n1 has no labels, n2 has gpu=yes/],
    ['slots', ask({ cpus: 9 }), /9 slots \(--cpus\), more than any node has: n1 has 4, n2 has 2/],
    ['memory', ask({ memBytes: 64 * GiB }), /64GiB.*\(--mem\), more than any node has: n2 has 32GiB, n1 has 8GiB/],
    ['both together', ask({ cpus: 4, memBytes: 16 * GiB }), /no node has both: n1 has 4 and 8GiB, n2 has 2 and 32GiB/],
    ['slots of a named node', ask({ nodes: ['n2'], cpus: 4 }), /of those with --node n2 has: n2 has 2$/],
  ])('%s', (_name, asked, expected) => {
    expect(neverPlaced(asked, [n1, n2])).toMatch(expected);
    expect(notPlaced(asked, [n1, n2]).join('\n')).toMatch(/it waits for a node that has it$/);
  });

  test('nothing where one could, be it down', () => {
    expect(neverPlaced(ask({ cpus: 4 }), [n1, n2])).toBeUndefined();
    expect(neverPlaced(ask({ nodes: ['n9', 'n2'] }), [n1, n2])).toBeUndefined();
    expect(neverPlaced(ask({ cpus: 4 }), [nodeOf({ state: 'down' }), n2])).toBeUndefined();
  });

  test('a home node is no place', () => {
    const home = nodeOf({ role: 'home' });
    expect(neverPlaced(ask({ nodes: ['n1'] }), [home, n2])).toMatch(/n1 .*is a home node and takes no jobs/);
    expect(neverPlaced(ask({ cpus: 4 }), [home])).toMatch(/no node takes jobs: n1 is a home node/);
  });

  test('of many nodes a few are named', () => {
    const many = Array.from({ length: 100 }, (_, at) => nodeOf({ name: `n${at}` }));
    expect(neverPlaced(ask({ cpus: 9 }), many)).toMatch(/n4 has 4 and 95 more$/);
  });
});

describe('when the only nodes that could do not take jobs', () => {
  test.each<[string, Partial<NodeInfo>, RegExp]>([
    ['down', { state: 'down' }, /no other node could run it: n1 is down/],
    ['drained', { state: 'drained', reason: 'new disk' }, /n1 is drained \(new disk\); omx undrain n1/],
    ['quarantined', { state: 'quarantined', reason: 'no /tmp' }, /n1 is quarantined \(no \/tmp\)/],
    ['home', { role: 'home' }, /n1 could run it, and is a home node, which takes no jobs/],
  ])('%s', (_name, more, expected) => {
    expect(notPlaced(ask({ cpus: 4 }), [nodeOf(more), n2]).join('\n')).toMatch(expected);
  });

  test('one that is up is enough', () => {
    expect(notPlaced(ask({ cpus: 2 }), [nodeOf({ state: 'down' }), n2])).toEqual([]);
  });
});
