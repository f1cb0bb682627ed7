import { defaultLeaseMs, type NodeInfo } from '@omx/core';
import { describe, expect, test } from 'vitest';

import { nodeJson } from '../../src/commands/nodes.ts';
import { nodeTable } from '../../src/nodes/table.ts';
import { plainPaint } from '../../src/render/paint.ts';

const now = Date.parse('2026-11-22T10:00:00Z');

function node(more: Partial<NodeInfo> = {}): NodeInfo {
  return {
    name: 'altair',
    role: 'both',
    state: 'up',
    reason: '',
    slots: 4,
    maxSlots: 4,
    running: 3,
    load: 3.456,
    externalLoad: 0.1,
    busy: 3,
    cpus: 4,
    speed: 812.3,
    arch: 'x64',
    memTotal: 24 * 2 ** 30,
    memFree: 22 * 2 ** 30,
    launchers: ['plain'],
    labels: {},
    lastSeen: now - 1500,
    identity: 'secret',
    pid: 12,
    shepherdPid: 13,
    version: '1.0.0',
    leaseMs: defaultLeaseMs,
    onLost: 'pause',
    place: 'boot/1/2',
    clockOffsetMs: 3_600_000,
    account: { user: 'ann', uid: 1000, gid: 1000 },
    fileLimit: 1024,
    address: '127.0.0.1',
    ...more,
  };
}

describe('the table of omx nodes', () => {
  test('fits 80 columns and leaves out what is as usual everywhere', () => {
    const [head = '', line = ''] = nodeTable([node({ name: 'node-rack-03' })], now, plainPaint);
    expect(Math.max(head.length, line.length)).toBeLessThanOrEqual(80);
    expect(head).not.toMatch(/role|labels|reason/);
    expect(line).toMatch(/up +3\/4 +3\.46 +0\.10 +812 +22GiB\/24GiB +plain +1\.5s$/);
  });

  test('shows what is unusual: a role, labels, fewer slots than there could be, why a node takes no jobs', () => {
    const drained = node({ name: 'vega', state: 'drained', reason: 'new disk', role: 'guest', labels: { gpu: 'yes' } });
    const [head = '', first = '', second = ''] = nodeTable([node({ slots: 1, running: 1 }), drained], now, plainPaint);
    expect(head).toMatch(/role.*labels.*reason/);
    expect(first).toContain('1/1(4)');
    expect(second).toMatch(/vega +guest +drained.*gpu=yes.*new disk$/);
  });

  test('takes a node whose clock was ahead for one that was seen just now', () => {
    expect(nodeTable([node({ lastSeen: now + 5000 })], now, plainPaint)[1]).toMatch(/ 0s$/);
  });
});

test('nodes --json has the fields of the contract first, then what looks after nodes, in seconds and without secrets', () => {
  const json = nodeJson(node({ reason: 'new disk' }));
  expect(Object.keys(json).slice(0, 13)).toEqual(
    'name role state slots running load externalLoad cpus memTotal memFree launchers labels lastSeen'.split(' '),
  );
  expect(json).toMatchObject({
    lastSeen: '2026-11-22T09:59:58.500Z',
    reason: 'new disk',
    maxSlots: 4,
    lease: defaultLeaseMs / 1000,
    clockOffset: 3600,
    onLost: 'pause',
    version: '1.0.0',
  });
  expect(json).not.toHaveProperty('identity');
});
