import type { NodeInfo } from '@omx/core';
import { homeAt } from '@omx/queue/embedded';
import { describe, expect, it } from 'vitest';

import { checkDisk, checkHome } from '../../src/doctor/home.ts';
import { checkFileLimit, checkNodeVersion } from '../../src/doctor/machine.ts';
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
  const node: NodeInfo = {
    name: 'n1',
    role: 'both',
    state: 'up',
    slots: 2,
    running: 0,
    load: 0,
    externalLoad: 0,
    cpus: 2,
    memTotal: 1,
    memFree: 1,
    launchers: ['plain'],
    labels: {},
    lastSeen: 100_000,
    pid: 7,
    version: '1.0.0',
  };
  const context = { version: '1.0.0', now: 101_000, embedded: false };

  it.each([
    ['well', {}, 'ok', /2 slots/],
    ['down', { state: 'down' as const }, 'warn', /last seen/],
    ['of another version', { version: '0.9.0' }, 'warn', /0\.9\.0/],
    ['with a clock ahead', { lastSeen: 200_000 }, 'warn', /ahead/],
    ['long not heard of', { lastSeen: 91_000 }, 'warn', /10\.0 s ago/],
  ])('a node %s', (_name, change, verdict, reason) => {
    const check = checkNode({ ...node, ...change }, context);
    expect(check.verdict).toBe(verdict);
    expect(check.reason).toMatch(reason);
  });

  it('none up fails, but where commands start one', () => {
    expect(checkNodes([], context).map(({ verdict }) => verdict)).toEqual(['fail']);
    expect(checkNodes([], { ...context, embedded: true }).map(({ verdict }) => verdict)).toEqual(['warn']);
    expect(checkNodes([node], context).map(({ verdict }) => verdict)).toEqual(['ok']);
  });
});
