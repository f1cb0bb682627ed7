import { availableParallelism } from 'node:os';
import { expect, test } from 'vitest';
import { readCpuFacts } from '../../src/host/cpu.ts';
import { readMemoryFacts } from '../../src/host/memory.ts';
import { treeOf } from '../fixture.ts';

const mebi = 2 ** 20;
const cpuinfo = 'processor\t: 0\nmodel name\t: x\nprocessor\t: 1\nprocessor\t: 2\nprocessor\t: 3\n';
const meminfo = `MemTotal:        4194304 kB\nMemFree:          524288 kB\nMemAvailable:    2097152 kB\nCached:  10 kB\n`;
const v2 = { 'proc/self/cgroup': '0::/a/b\n', 'proc/cpuinfo': cpuinfo, 'proc/meminfo': meminfo };
const v1 = {
  'proc/self/cgroup': '4:memory:/a/b\n1:cpu,cpuacct:/a\n0::/\n',
  'proc/cpuinfo': cpuinfo,
  'proc/meminfo': meminfo,
};

test('without control groups, affinity decides', () => {
  const roots = treeOf({ 'proc/cpuinfo': cpuinfo, 'proc/meminfo': meminfo });
  expect(readCpuFacts(roots, 3)).toEqual({ online: 4, affinity: 3, usable: 3 });
  expect(readMemoryFacts(roots)).toEqual({ totalBytes: 4096 * mebi, availableBytes: 2048 * mebi });
});

test('a v2 quota of a group above holds, and the least one wins', () => {
  const roots = treeOf({
    ...v2,
    'sys/fs/cgroup/cpu.max': 'max 100000\n',
    'sys/fs/cgroup/a/cpu.max': '250000 100000\n',
    'sys/fs/cgroup/a/b/cpu.max': '300000 100000\n',
  });
  expect(readCpuFacts(roots, 4)).toEqual({ online: 4, affinity: 4, quota: 2.5, usable: 2 });
});

test('less than one processor is still one', () => {
  const roots = treeOf({ ...v2, 'sys/fs/cgroup/a/b/cpu.max': '20000 100000\n' });
  expect(readCpuFacts(roots, 4)).toMatchObject({ quota: 0.2, usable: 1 });
});

test('v1 quotas, in a folder named after two controllers; -1 is no limit', () => {
  const files = (quota: string): Record<string, string> => ({
    ...v1,
    'sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us': quota,
    'sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us': '50000\n',
  });
  expect(readCpuFacts(treeOf(files('100000\n')), 4)).toMatchObject({ quota: 2, usable: 2 });
  expect(readCpuFacts(treeOf(files('-1\n')), 4)).toEqual({ online: 4, affinity: 4, usable: 4 });
});

test('a group path that is not mounted here falls back on the top folder', () => {
  const roots = treeOf({
    ...v2,
    'proc/self/cgroup': '0::/../../elsewhere\n',
    'sys/fs/cgroup/cpu.max': '100000 100000\n',
  });
  expect(readCpuFacts(roots, 4)).toMatchObject({ quota: 1, usable: 1 });
});

test('v2 memory: the limit, less what is used, where unused page cache does not count', () => {
  const roots = treeOf({
    ...v2,
    'sys/fs/cgroup/a/memory.max': `${1024 * mebi}\n`,
    'sys/fs/cgroup/a/memory.current': `${512 * mebi}\n`,
    'sys/fs/cgroup/a/memory.stat': `anon 1\nfile 2\ninactive_file ${128 * mebi}\nactive_file 3\n`,
    'sys/fs/cgroup/a/b/memory.max': 'max\n',
  });
  expect(readMemoryFacts(roots)).toEqual({ totalBytes: 1024 * mebi, availableBytes: 640 * mebi });
});

test('v1 memory, and its way to write "no limit"', () => {
  const roots = treeOf({
    ...v1,
    'sys/fs/cgroup/memory/cgroup.procs': '',
    'sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
    'sys/fs/cgroup/memory/a/b/memory.limit_in_bytes': `${100 * mebi}\n`,
    'sys/fs/cgroup/memory/a/b/memory.usage_in_bytes': `${120 * mebi}\n`,
    'sys/fs/cgroup/memory/a/b/memory.stat': 'total_inactive_file 0\n',
  });
  expect(readMemoryFacts(roots)).toEqual({ totalBytes: 100 * mebi, availableBytes: 0 });
});

test('old kernels without MemAvailable; nothing to read at all', () => {
  const old = treeOf({ 'proc/meminfo': 'MemTotal: 1024 kB\nMemFree: 512 kB\nCached: 256 kB\n' });
  expect(readMemoryFacts(old)).toEqual({ totalBytes: mebi, availableBytes: 768 * 1024 });
  expect(readMemoryFacts(treeOf({}))).toBeUndefined();
});

test('this machine', () => {
  const cpu = readCpuFacts();
  expect(cpu.affinity).toBe(availableParallelism());
  expect(cpu.usable).toBeGreaterThanOrEqual(1);
  const memory = readMemoryFacts();
  expect(memory?.availableBytes).toBeLessThanOrEqual(memory?.totalBytes ?? 0);
});
