import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { NodeInfo } from '@omx/core';
import { homeAt } from '@omx/queue/embedded';
import { describe, expect, it } from 'vitest';

import { checkAccounts, checkCluster, checkMaps } from '../../src/doctor/cluster.ts';
import { checkDisk, checkHome } from '../../src/doctor/home.ts';
import { checkFileLimit, checkMap, checkNodeVersion } from '../../src/doctor/machine.ts';
import { checkNode, checkNodes } from '../../src/doctor/nodes.ts';
import { judgeClock } from '../../src/doctor/queue.ts';

describe('checkNodeVersion', () => {
  it.each([
    ['18.20.0', 'fail'],
    ['20.18.3', 'fail'],
    ['20.19.0', 'ok'],
    ['24.1.0', 'ok'],
  ])('%s: %s', (version, verdict) => {
    expect(checkNodeVersion(version).verdict).toBe(verdict);
  });
});

describe('checkDisk', () => {
  it.each([
    ['plenty', 4096, 2 ** 30, 1e6, 'ok'],
    ['little', 4096, 2 ** 16, 1e6, 'warn'],
    ['none', 4096, 10, 1e6, 'fail'],
    ['no inodes', 4096, 2 ** 30, 3, 'fail'],
  ])('%s', (_name, bsize, bavail, ffree, verdict) => {
    expect(checkDisk('/x', { bsize, bavail, ffree, files: 2e6 }).verdict).toBe(verdict);
  });

  it('does not miss inodes where the file system counts none', () => {
    expect(checkDisk('/x', { bsize: 4096, bavail: 2 ** 30, ffree: 0, files: 0 }).verdict).toBe('ok');
  });
});

describe('checkHome', () => {
  it('says where the sockets of a long home are, and makes nothing', () => {
    const dir = `/tmp/${'long/'.repeat(30)}home`;
    expect(checkHome(homeAt(dir, {})).find(({ name }) => name === 'sockets')).toMatchObject({
      verdict: 'ok',
      reason: expect.stringContaining('too long'),
    });
  });
});

describe('checkFileLimit', () => {
  it.each([
    [256, 'warn'],
    [1024, 'ok'],
  ])('%d: %s', (soft, verdict) => {
    expect(checkFileLimit({ soft, hard: Infinity }).verdict).toBe(verdict);
  });
});

describe('judgeClock', () => {
  it.each([
    ['in between', 1000, 900, 1100, 'ok'],
    ['a little off', 500, 900, 1100, 'ok'],
    ['behind', 5000, 900, 1100, 'warn'],
    ['ahead', 900, 5000, 5100, 'warn'],
  ])('%s', (_name, server, before, after, verdict) => {
    expect(judgeClock(server, before, after).verdict).toBe(verdict);
  });

  it('says which way', () => {
    expect(judgeClock(5000, 900, 1000).reason).toContain('4.0 s behind');
    expect(judgeClock(1000, 5000, 5100).reason).toContain('4.0 s ahead');
  });
});

describe('nodes', () => {
  const context = { version: '1.0.0', now: 101_000, embedded: false };
  const node = nodeInfo();

  it.each([
    ['well', {}, 'ok', /2 slots/],
    ['home', { role: 'home' as const }, 'ok', /takes no jobs/],
    ['lost', { state: 'down' as const }, 'warn', /lost; last seen 1970/],
    ['gone', { state: 'down' as const, reason: 'left' }, 'warn', /^down: left$/],
    ['drained', { state: 'drained' as const, reason: 'new disk' }, 'warn', /takes no jobs: new disk/],
    ['quarantined', { state: 'quarantined' as const, reason: '/tmp is full' }, 'fail', /quarantined.*\/tmp is full/],
    ['long not heard of', { lastSeen: 91_000 }, 'warn', /10\.0 s ago/],
  ])('a node %s', (_name, change, verdict, reason) => {
    const [check, ...more] = checkNode({ ...node, ...change }, context);
    expect(check?.verdict).toBe(verdict);
    expect(check?.reason).toMatch(reason);
    expect(more).toEqual([]);
  });

  it.each([
    ['of another version', { version: '0.9.0' }, /0\.9\.0.*understand each other/],
    ['with a clock ahead', { clockOffsetMs: 3_600_000 }, /1h ahead of/],
    ['with a clock behind', { clockOffsetMs: -90_000 }, /1m30s behind/],
    ['with few files', { fileLimit: 256 }, /256 files open/],
  ])('a node %s is up and remarked', (_name, change, reason) => {
    const [check, remark, ...more] = checkNode({ ...node, ...change }, context);
    expect(check?.verdict).toBe('ok');
    expect(remark).toMatchObject({ name: 'node n1', verdict: 'warn', reason: expect.stringMatching(reason) });
    expect(more).toEqual([]);
  });

  it('none up fails, but where commands start one', () => {
    expect(checkNodes([], context).map(({ verdict }) => verdict)).toEqual(['fail']);
    expect(checkNodes([], { ...context, embedded: true }).map(({ verdict }) => verdict)).toEqual(['warn']);
    expect(checkNodes([node], context).map(({ verdict }) => verdict)).toEqual(['ok']);
  });
});

describe('what must be the same on all nodes', () => {
  const account = (user: string, uid: number, gid = uid) => ({ account: { user, uid, gid } });
  const map = (digest: string) => ({ map: { path: '/etc/openmosix.map', digest } });

  it.each([
    ['the same', [account('ann', 1000), account('ann', 1000)], 'ok', /ann is 1000:1000 on all nodes/],
    ['another uid', [account('ann', 1000), account('ann', 1001, 1000)], 'warn', /1000:1000 on n1; 1001:1000 on n2/],
    ['another gid', [account('ann', 1000), account('ann', 1000, 50)], 'warn', /1000:50 on n2/],
    ['another user', [account('ann', 1000), account('root', 0)], 'warn', /ann on n1; root on n2/],
  ])('accounts: %s', (_name, changes, verdict, reason) => {
    const check = checkAccounts(changes.map((change, at) => nodeInfo({ name: `n${at + 1}`, ...change })));
    expect(check).toMatchObject({ verdict, reason: expect.stringMatching(reason) });
  });

  it.each([
    ['none', [{}, {}], undefined, /x/],
    ['identical', [map('a'), map('a')], 'ok', /identical on all 2/],
    ['one other', [map('a'), map('b'), map('a')], 'warn', /that of n1, n3 is not that of n2/],
    ['one without', [map('a'), {}], 'warn', /n2 joined without one/],
  ])('maps: %s', (_name, changes, verdict, reason) => {
    const [check] = checkMaps(changes.map((change, at) => nodeInfo({ name: `n${at + 1}`, ...change })));
    if (verdict === undefined) expect(check).toBeUndefined();
    else expect(check).toMatchObject({ verdict, reason: expect.stringMatching(reason) });
  });

  it('says nothing of a single node, nor of one that is down', () => {
    expect(checkCluster([nodeInfo(), nodeInfo({ name: 'n2', state: 'down', ...account('x', 9) })])).toEqual([]);
  });
});

describe('the map of this machine', () => {
  const own = { byName: ['altair', '10.0.0.2'], byInterface: ['10.0.0.2'] };
  const looped = { byName: ['altair', '127.0.1.1'], byInterface: ['10.0.0.2'] };

  function check(text: string, addresses = own) {
    const dir = mkdtempSync(join(tmpdir(), 'omx-map-'));
    writeFileSync(join(dir, 'openmosix.map'), text);
    const checks = checkMap(join(dir, 'openmosix.map'), addresses);
    rmSync(dir, { recursive: true });
    return checks.map(({ verdict, reason }) => `${verdict} ${reason.replaceAll(dir, '')}`);
  }

  it.each([
    ['good', '1 10.0.0.1 3\n', own, [/^ok .*this machine is node 2$/]],
    ['with the host name', '7 altair 1\n', own, [/^ok .*node 7$/]],
    ['of others', '1 10.0.1.1 3\n', own, [/^fail .*none of this machine's addresses/]],
    ['of a machine that takes itself for 127.0.1.1', '1 10.0.0.1 3\n', looped, [/^fail .*127\.0\.1\.1.*real address/]],
    ['with faults', '1 10.0.0.1 3\n3 10.0.0.9 1\nx y\n', own, [/^fail \/openmosix\.map:2: node 3/, /^fail .*:3: /]],
  ])('%s', (_name, text, addresses, expected) => {
    const found = check(text, addresses);
    expect(found).toHaveLength(expected.length);
    for (const [at, each] of expected.entries()) expect(found[at]).toMatch(each);
  });

  it('is no matter where there is none', () => {
    expect(checkMap(undefined, own)).toEqual([]);
  });
});

function nodeInfo(change: Partial<NodeInfo> = {}): NodeInfo {
  return {
    name: 'n1',
    role: 'both',
    state: 'up',
    reason: '',
    slots: 2,
    maxSlots: 2,
    running: 0,
    load: 0,
    externalLoad: 0,
    busy: 0,
    cpus: 2,
    speed: 1,
    arch: 'x64',
    memTotal: 1,
    memFree: 1,
    launchers: ['plain'],
    labels: {},
    lastSeen: 100_000,
    identity: 'i',
    pid: 7,
    shepherdPid: 8,
    version: '1.0.0',
    leaseMs: 12_000,
    onLost: 'pause',
    place: 'p',
    clockOffsetMs: 0,
    account: { user: 'ann', uid: 1000, gid: 1000 },
    fileLimit: 20_000,
    address: '127.0.0.1',
    ...change,
  };
}
