import type { NodeInfo } from '@omx/core';

const giga = 1024 ** 3;

/** A node with nothing to do. */
export function nodeInfo(name: string, more: Partial<NodeInfo> = {}): NodeInfo {
  return {
    name,
    role: 'both',
    state: 'up',
    reason: '',
    slots: 1,
    maxSlots: 1,
    running: 0,
    load: 0,
    externalLoad: 0,
    busy: 0,
    cpus: 1,
    speed: 100,
    arch: 'x64',
    memTotal: 16 * giga,
    memFree: 12 * giga,
    launchers: ['plain', 'criu'],
    labels: {},
    lastSeen: 0,
    identity: name,
    pid: 1,
    shepherdPid: 2,
    version: '1',
    leaseMs: 10_000,
    onLost: 'pause',
    place: name,
    clockOffsetMs: 0,
    account: { user: 'ann', uid: 1000, gid: 1000 },
    fileLimit: 1024,
    ...more,
  } as NodeInfo;
}
