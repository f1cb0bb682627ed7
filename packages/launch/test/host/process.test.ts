import { Buffer } from 'node:buffer';
import { expect, test } from 'vitest';
import { readBootId, readHostname, readLoadAverage, readOpenFileLimit } from '../../src/host/machine.ts';
import { descendants, processTree, readProcessTable, treeRss } from '../../src/host/process-tree.ts';
import { parseProcessStat, readPageSize, readProcessStat } from '../../src/host/process.ts';
import { treeOf } from '../fixture.ts';

/** A stat line as the kernel prints it: 52 fields. */
function stat(pid: number, comm: string, { parent = 1, session = pid, rss = 10 } = {}): string {
  const rest = ['S', parent, pid, session, 0, -1, 4194304, 1, 2, 3, 4, 70, 30, 5, 6, 20, 0, 1, 0, 12345, 9999, rss];
  return `${pid} (${comm}) ${rest.join(' ')} ${Array.from({ length: 28 }, () => 0).join(' ')}\n`;
}

test.each(['sh', 'a b', 'x) R 1 (y', ')', '', '((', 'Web Content'])('the name %j does not shift the fields', (comm) => {
  expect(parseProcessStat(stat(42, comm, { parent: 7 }))).toEqual({
    pid: 42,
    comm,
    state: 'S',
    parent: 7,
    group: 42,
    session: 42,
    userTicks: 70,
    sysTicks: 30,
    childTicks: 11,
    threads: 1,
    isKernel: false,
    startTicks: 12345,
    rssPages: 10,
  });
});

test.each(['', '42', '42 (sh', '42 (sh) S 1'])('half a line, %j, is no process', (text) => {
  expect(parseProcessStat(text)).toBeUndefined();
});

test('a tree is what descends from the pid and what shares its session', () => {
  const roots = treeOf({
    'proc/100/stat': stat(100, 'job', { session: 100, rss: 1 }),
    'proc/101/stat': stat(101, 'child', { parent: 100, session: 100, rss: 2 }),
    'proc/102/stat': stat(102, 'own session', { parent: 101, session: 102, rss: 4 }),
    'proc/103/stat': stat(103, 'orphan', { parent: 1, session: 100, rss: 8 }),
    'proc/104/stat': stat(104, 'stranger', { parent: 1, session: 104, rss: 16 }),
    'proc/105/stat': '',
    'proc/uptime': '1 1\n',
  });
  const table = readProcessTable(roots);
  expect(table.byPid.size).toBe(5);
  expect(
    processTree(100, table)
      .map(({ pid }) => pid)
      .sort((a, b) => a - b),
  ).toEqual([100, 101, 102, 103]);
  expect(treeRss(100, table)).toBe(15 * 4096);
  expect(treeRss(999, table)).toBe(0);
  expect([...descendants(100, roots)].sort((a, b) => a - b)).toEqual([100, 101, 102, 103]);
  expect(descendants(999, roots)).toEqual([999]);
});

test('children are read from the kernel where it lists them, of every thread', () => {
  const roots = treeOf({
    'proc/100/task/100/children': '101 102 ',
    'proc/100/task/109/children': '103 ',
    'proc/101/task/101/children': '104 ',
    'proc/102/task/102/children': '',
  });
  expect(descendants(100, roots)).toEqual([100, 101, 102, 103, 104]);
});

test('the page size comes from the auxiliary vector', () => {
  const vector = Buffer.alloc(48);
  vector.writeBigUInt64LE(3n, 0);
  vector.writeBigUInt64LE(6n, 16);
  vector.writeBigUInt64LE(65_536n, 24);
  expect(readPageSize(treeOf({ 'proc/self/auxv': vector }))).toBe(65_536);
  expect(readPageSize(treeOf({}))).toBe(4096);
});

test('facts of the machine', () => {
  const roots = treeOf({
    'proc/loadavg': '0.52 1.25 10.00 3/456 7890\n',
    'proc/sys/kernel/random/boot_id': '0b1c\n',
    'proc/sys/kernel/hostname': 'node-1\n',
    'proc/self/limits':
      'Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 unlimited            files\n',
  });
  expect(readLoadAverage(roots)).toEqual({ one: 0.52, five: 1.25, fifteen: 10, runnable: 3, total: 456 });
  expect(readBootId(roots)).toBe('0b1c');
  expect(readHostname(roots)).toBe('node-1');
  expect(readOpenFileLimit(roots)).toEqual({ soft: 1024, hard: Infinity });
  const empty = treeOf({});
  expect([readLoadAverage(empty), readBootId(empty), readHostname(empty), readOpenFileLimit(empty)]).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

test('this process, as the real kernel shows it', () => {
  expect(readProcessStat('self')?.pid).toBe(process.pid);
  expect(treeRss(process.pid)).toBeGreaterThan(2 ** 20);
  expect(descendants(process.pid)[0]).toBe(process.pid);
  expect(readLoadAverage()?.total).toBeGreaterThan(0);
  expect(readBootId()).toMatch(/^[0-9a-f-]{36}$/);
});
