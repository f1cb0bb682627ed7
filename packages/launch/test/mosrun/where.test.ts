import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { RunProgram } from '../../src/host/program.ts';
import { mospsReader, parseMosps } from '../../src/mosrun/mosps.ts';
import { explainReason, explainReasons, unsupportedCalls } from '../../src/mosrun/reasons.ts';
import { readWhere } from '../../src/mosrun/where.ts';
import { fixtureFile, mosixTree } from '../fixture.ts';

type KernelDialect = Parameters<typeof readWhere>[0];

test.each<readonly [KernelDialect, number, object]>([
  ['openmosix-2.4', 100, { node: '2628', migrations: 3, cannotMove: [] }],
  [
    'openmosix-2.4',
    101,
    {
      migrations: 0,
      cannotMove: [
        'it maps a file for writing that other processes may share, or uses System V shared memory',
        'it shares its memory with another process or thread',
      ],
    },
  ],
  ['openmosix-2.4', 102, { migrations: 1, cannotMove: ['it is locked: somebody asked that it not be moved'] }],
  ['openmosix-2.4', 103, { cannotMove: [] }],
  ['openmosix-2.4', 104, { cannotMove: [] }],
  ['openmosix-2.4', 999, { cannotMove: [] }],
  ['openmosix-2.6', 100, { node: '192.168.10.7', cannotMove: [] }],
  [
    'openmosix-2.6',
    101,
    { cannotMove: ['it has a device mapped into memory', 'a kernel module holds it here (reason 2)'] },
  ],
  ['openmosix-2.6', 102, { cannotMove: [] }],
  ['openmosix-2.6', 999, { cannotMove: [] }],
  ['mosix-2', 100, { node: '10.0.0.7', cannotMove: [] }],
  ['mosix-2', 101, { cannotMove: ['MOSIX has frozen it'] }],
  ['mosix-3', 102, { cannotMove: ['it does not run under MOSIX, so nothing moves it'] }],
  ['mosix-3', 999, { cannotMove: [] }],
])('%s, process %i', (dialect, pid, expected) => {
  // Equal, not only similar: what is unknown must be absent, never 0.
  expect(readWhere(dialect, mosixTree(dialect).roots.proc, pid)).toStrictEqual(expected);
});

test('mosps is read by its headings', () => {
  const table = parseMosps(readFileSync(fixtureFile('mosix-4/mosps.txt'), 'utf8'));
  expect(Object.fromEntries(table)).toStrictEqual({
    101: { node: '3', migrations: 4, cannotMove: [] },
    102: { migrations: 0, cannotMove: [] },
  });
  const other = parseMosps('NMIGS  CMD_X PID WHERE COMMAND\n 7 x 55 host-2 a b c\n');
  expect(Object.fromEntries(other)).toStrictEqual({ 55: { node: 'host-2', migrations: 7, cannotMove: [] } });
});

test.each(['', 'mosps: not running\n', 'PID\n', 'PID WHERE COMMAND\nx here sh\n'])('%j holds no process', (text) => {
  expect(parseMosps(text).size).toBe(0);
});

test('without a column for moves their number is unknown', () => {
  expect(parseMosps('PID WHERE COMMAND\n5 2 sh\n').get(5)).toStrictEqual({ node: '2', cannotMove: [] });
});

test('callers at the same time share one run of mosps; a failed run says nothing', async () => {
  let runs = 0;
  let exitCode = 0;
  const run: RunProgram = () => {
    runs += 1;
    return Promise.resolve({ exitCode, stdout: 'PID WHERE COMMAND\n5 2 sh\n', stderr: '' });
  };
  const read = mospsReader('/bin/mosps', run);
  const tables = await Promise.all([read(), read(), read()]);
  expect(runs).toBe(1);
  expect(tables[2]?.get(5)?.node).toBe('2');
  exitCode = 1;
  expect((await read()).size).toBe(0);
  expect(runs).toBe(2);
});

test('every word of the kernel has a sentence; others are passed on', () => {
  const words =
    'monkey mmap_dev VM86_mode priv_inst mem_lock clone_vm rt_sched direct_io system user_lock extern_1 extern_4';
  for (const word of words.split(' ')) expect(explainReason(word)).not.toContain(`'${word}'`);
  expect(explainReason('toString')).toBe("the kernel says 'toString'");
  expect(explainReason('extern_9')).toBe("the kernel says 'extern_9'");
  expect(explainReasons('monkey clone_vm\n\nmonkey\n')).toHaveLength(2);
  expect(explainReasons('some new words\n')).toEqual(["the kernel says 'some new words'"]);
  expect(explainReasons('')).toEqual([]);
});

test('calls MOSIX does not support, from stderr', () => {
  const stderr = [
    "MOSRUN: system-call 'sched_getaffinity' not supported under MOSIX",
    'MOSRUN: Shared memory (MAP_SHARED) not supported under MOSIX',
    "MOSRUN: system-call 'sched_getaffinity' not supported under MOSIX",
    'something else',
  ].join('\n');
  expect(unsupportedCalls(stderr)).toEqual(['sched_getaffinity', 'Shared memory (MAP_SHARED)']);
});
