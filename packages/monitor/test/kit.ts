import type { NodeInfo } from '@omx/core';
import { freshJob } from '@omx/core';

import type { Line } from '../src/terminal/line.ts';
import { lineText } from '../src/terminal/line.ts';
import type { TopRow } from '../src/top/row.ts';

/** A node with four CPUs and nothing to do. */
export function node(name: string, more: Partial<NodeInfo> = {}): NodeInfo {
  return {
    name,
    role: 'both',
    state: 'up',
    reason: '',
    slots: 4,
    maxSlots: 4,
    running: 0,
    load: 0,
    externalLoad: 0,
    busy: 0,
    cpus: 4,
    speed: 800,
    arch: 'x64',
    memTotal: 8 * 2 ** 30,
    memFree: 6 * 2 ** 30,
    launchers: ['plain'],
    labels: {},
    lastSeen: 0,
    pid: 1,
    shepherdPid: 2,
    version: '0',
    leaseMs: 12_000,
    onLost: 'pause',
    identity: name,
    place: 'here',
    clockOffsetMs: 0,
    account: { user: 'root', uid: 0, gid: 0 },
    fileLimit: 1024,
    address: '127.0.0.1',
    ...more,
  };
}

/** `node-001` … with loads that rise from left to right, up to so much a CPU. */
export function manyNodes(count: number, highest = 2): NodeInfo[] {
  return Array.from({ length: count }, (_, at) =>
    node(`node-${String(at + 1).padStart(3, '0')}`, { load: (4 * highest * (at + 1)) / count }),
  );
}

export function row(id: string, more: Partial<TopRow> = {}): TopRow {
  const [batch = 'b1', index = '1'] = id.split('.');
  const ordinal = Number(index) - 1;
  return {
    id,
    batch: batch as TopRow['batch'],
    snapshot: { ordinal, job: freshJob('queued', 0), pack: undefined, record: Buffer.alloc(0) },
    node: 'vega',
    state: 'running',
    cpu: 10,
    rss: 2 ** 20,
    seconds: 5,
    migrations: 0,
    children: {},
    command: 'sleep 5',
    ...more,
  };
}

export function texts(lines: readonly Line[]): string[] {
  return lines.map((pieces) => lineText(pieces).trimEnd());
}
