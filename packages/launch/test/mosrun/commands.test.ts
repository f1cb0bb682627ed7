import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bytesOf } from '@omx/core';
import { execa } from 'execa';
import { describe, expect, test } from 'vitest';
import type { Placement } from '../../src/launcher.ts';
import { mosrunFailure } from '../../src/mosrun/classify.ts';
import { mosrunArgv, nodeList, type MosrunCommand } from '../../src/mosrun/commands.ts';
import type { LiveDialect } from '../../src/mosrun/dialect.ts';
import { standIn, treeOf } from '../fixture.ts';

const argv = ['sh', '-c', 'echo "$0:$1"; exit 7', 'name', 'a b'];

interface Row {
  readonly placement: Placement;
  readonly options: readonly string[];
  readonly place: string;
  readonly lock: string;
  readonly more?: Partial<MosrunCommand>;
}

const openMosix: readonly Row[] = [
  { placement: { kind: 'balanced' }, options: ['-l', '-c'], place: 'none', lock: 'unlocked' },
  {
    placement: { kind: 'balanced' },
    options: ['-l', '-c'],
    place: 'none',
    lock: 'unlocked',
    more: { memBytes: 1, groupId: 2 },
  },
  { placement: { kind: 'io' }, options: ['-l', '-i'], place: 'none', lock: 'unlocked' },
  { placement: { kind: 'home' }, options: ['-h'], place: 'home', lock: 'locked' },
  { placement: { kind: 'start-at', node: '7' }, options: ['-7', '-F', '-l'], place: 'node:7', lock: 'unlocked' },
  { placement: { kind: 'pinned', node: '2611' }, options: ['-2611', '-L'], place: 'node:2611', lock: 'locked' },
  {
    placement: { kind: 'one-of', nodes: [7, 3, 1, 2, 4, 2] },
    options: ['-j1-4,7', '-l'],
    place: 'list:1-4,7',
    lock: 'unlocked',
  },
];

const mosix: readonly Row[] = [
  { placement: { kind: 'balanced' }, options: ['-b', '-e'], place: 'best', lock: 'unlocked' },
  {
    placement: { kind: 'balanced' },
    options: ['-b', '-e', '-m513', '-J42'],
    place: 'best',
    lock: 'unlocked',
    more: { memBytes: 512 * 2 ** 20 + 1, groupId: 42 },
  },
  {
    placement: { kind: 'balanced' },
    options: ['-b', '-w'],
    place: 'best',
    lock: 'unlocked',
    more: { unsupported: 'report' },
  },
  { placement: { kind: 'balanced' }, options: ['-b'], place: 'best', lock: 'unlocked', more: { unsupported: 'kill' } },
  { placement: { kind: 'io' }, options: ['-b', '-e'], place: 'best', lock: 'unlocked' },
  { placement: { kind: 'home' }, options: ['-h', '-L'], place: 'home', lock: 'locked' },
  {
    placement: { kind: 'start-at', node: 'host-3' },
    options: ['-rhost-3', '-F', '-l', '-e'],
    place: 'host:host-3',
    lock: 'unlocked',
  },
  {
    placement: { kind: 'start-at', node: '10.0.0.7' },
    options: ['-10.0.0.7', '-F', '-l', '-e'],
    place: 'address:10.0.0.7',
    lock: 'unlocked',
  },
  { placement: { kind: 'pinned', node: '7' }, options: ['-7', '-L', '-e'], place: 'node:7', lock: 'locked' },
  {
    placement: { kind: 'one-of', nodes: [1, 2, 3, 4, 7] },
    options: ['-j1-4,7', '-e'],
    place: 'list:1-4,7',
    lock: 'unlocked',
  },
];

const tables: readonly (readonly [LiveDialect, readonly Row[]])[] = [
  ['openmosix-2.4', openMosix],
  ['mosix-2', mosix],
  ['mosix-3', mosix],
  ['mosix-4', mosix],
];

function build(dialect: LiveDialect, { placement, more }: Pick<Row, 'placement' | 'more'>, words = argv): string[] {
  return [...mosrunArgv({ dialect, mosrun: standIn, argv: words.map((word) => bytesOf(word)), placement, ...more })];
}

async function start(dialect: string, words: readonly string[], env: Record<string, string> = {}) {
  const { top } = treeOf({ trace: '' });
  const trace = join(top, 'trace');
  const [file = '', ...args] = words;
  const end = await execa(file, args, {
    reject: false,
    cwd: top,
    env: { MOSRUN_DIALECT: dialect, MOSRUN_TRACE: trace, ...env },
  });
  const { exitCode, stdout, stderr } = end;
  const line = readFileSync(trace, 'utf8').trim();
  const seen: unknown = line === '' ? undefined : JSON.parse(line);
  return { exitCode, stdout, stderr, seen };
}

describe.each(tables)('%s', (dialect, rows) => {
  test.each(rows)('$placement.kind $options: accepted, understood, and the program runs', async (row) => {
    const words = build(dialect, row);
    expect(words).toEqual([standIn, ...row.options, ...argv]);
    const end = await start(dialect, words);
    expect(end.stderr).toBe('');
    expect(end.stdout).toBe('name:a b');
    expect(end.exitCode).toBe(7);
    expect(end.seen).toMatchObject({ dialect, options: row.options, place: row.place, lock: row.lock, argv0: false });
  });

  test('another argument zero', async () => {
    const words = build(dialect, { placement: { kind: 'home' }, more: { argv0: bytesOf('-login sh') } }, [
      'sh',
      '-c',
      'echo "$0"',
    ]);
    const end = await start(dialect, words);
    expect(end.seen).toMatchObject({ argv0: true, program: 'sh' });
    expect(end.stdout).toBe('-login sh');
  });

  test('a node that is down: with -F the program starts elsewhere, without it mosrun fails', async () => {
    const node = '7';
    const down = { MOSRUN_DOWN: '3 7' };
    const words = ['true'];
    expect(await start(dialect, build(dialect, { placement: { kind: 'start-at', node } }, words), down)).toMatchObject({
      exitCode: 0,
    });
    const failed = await start(dialect, build(dialect, { placement: { kind: 'pinned', node } }, words), down);
    expect(failed.exitCode).toBe(1);
    expect(failed.stderr).toMatch(/^mosrun: node 7 is not available$/i);
    const end = { exitCode: 1, durationMs: 10, stderr: failed.stderr };
    expect(mosrunFailure(end)?.reason).toBe('launcher-unavailable');
  });

  test('a path that looks like an option is said another way, a bare name is refused', async () => {
    expect(build(dialect, { placement: { kind: 'home' } }, ['-d/prog', '-x']).slice(-2)).toEqual(['./-d/prog', '-x']);
    expect(() => build(dialect, { placement: { kind: 'home' } }, ['-prog'])).toThrow(/'-prog' for an option/);
    expect(() => build(dialect, { placement: { kind: 'home' } }, [])).toThrow(/without a program/);
  });

  test('bytes that are no text travel as they are', () => {
    const odd = bytesOf('\u{1f600}');
    expect(mosrunArgv({ dialect, mosrun: '/bin/mosrun', argv: [odd], placement: { kind: 'home' } }).at(-1)).toBe(odd);
  });
});

test('no option of the queue or of batch jobs is ever built for MOSIX', () => {
  const options = tables
    .filter(([dialect]) => dialect !== 'openmosix-2.4')
    .flatMap(([dialect, rows]) => rows.flatMap((row) => build(dialect, row).slice(1, -argv.length)));
  expect(options.length).toBeGreaterThan(60);
  expect(options.filter((option) => /^-[qQPEMi]/.test(option))).toEqual([]);
});

describe('the stand-in refuses what is not its dialect', () => {
  test.each<readonly [string, readonly string[]]>([
    ['openmosix-2.4', ['-b', 'true']],
    ['openmosix-2.4', ['-rhost', 'true']],
    ['openmosix-2.4', ['-m5', 'true']],
    ['openmosix-2.4', ['-l', '-7', 'true']],
    ['openmosix-2.4', ['-F', 'true']],
    ['openmosix-2.4', ['-l', '-L', 'true']],
    ['openmosix-2.4', ['-c', '-i', 'true']],
    ['openmosix-2.4', ['-0', 'true']],
    ['openmosix-2.4', ['-70000', 'true']],
    ['openmosix-2.4', ['-j', '1-4', 'true']],
    ['openmosix-2.4', ['-lc', 'true']],
    ['openmosix-2.4', ['--', 'true']],
    ['openmosix-2.4', ['-l']],
    ['openmosix-2.4', ['-z', 'true']],
    ['mosix-2', ['-k', 'true']],
    ['mosix-2', ['-b', '-h', 'true']],
    ['mosix-2', ['-m', '5', 'true']],
    ['mosix-3', ['-E/tmp', 'true']],
    ['mosix-4', ['-q', 'true']],
    ['mosix-4', ['-Q5', 'true']],
    ['mosix-4', ['-P2', 'true']],
    ['mosix-4', ['-E', 'true']],
    ['mosix-4', ['-M', 'true']],
    ['mosix-4', ['-i', 'true']],
    ['openmosix-3', ['true']],
  ])('%s %j', async (dialect, words) => {
    const end = await start(dialect, [standIn, ...words]);
    expect(end.exitCode).toBe(2);
    expect(end.stderr).toMatch(/^mosrun: ./i);
    expect(end.seen).toBeUndefined();
  });

  test.each([
    ['mosix-2', ['-q50', '-b', 'true']],
    ['mosix-2', ['-e', '-t', '-E/tmp', 'true']],
    ['openmosix-2.4', ['-7', '-F', '-l', '-t', '5', '-d', '900', '-e', '-r', 'true']],
  ] as const)('but takes what belongs to it: %s %j', async (dialect, words) => {
    expect(await start(dialect, [standIn, ...words])).toMatchObject({ exitCode: 0 });
  });

  test('the trap of openMosix: nothing said means locked; a decay option alone keeps what was', async () => {
    expect((await start('openmosix-2.4', [standIn, 'true'])).seen).toMatchObject({ lock: 'locked' });
    expect((await start('openmosix-2.4', [standIn, '-c', 'true'])).seen).toMatchObject({ lock: 'kept' });
  });
});

test('openMosix 2.6 has no mosrun: the program is started as it is, or not at all', () => {
  const dialect = 'openmosix-2.6';
  for (const kind of ['balanced', 'io', 'home'] as const) expect(build(dialect, { placement: { kind } })).toEqual(argv);
  for (const placement of [
    { kind: 'pinned', node: '1' },
    { kind: 'start-at', node: '1' },
    { kind: 'one-of', nodes: [1] },
  ] as const) {
    expect(() => build(dialect, { placement })).toThrow(/no program to start it with/);
  }
});

test.each(['0', '65536', 'host', '-1', '', '1 2'])('openMosix has no node called %j', (node) => {
  expect(() => build('openmosix-2.4', { placement: { kind: 'pinned', node } })).toThrow(/1 to 65535/);
});

test.each(['', '-x', 'a b', 'a;b', '.x'])('%j is no host name for MOSIX', (node) => {
  expect(() => build('mosix-4', { placement: { kind: 'pinned', node } })).toThrow(/no host name/);
});

test('lists of nodes', () => {
  expect(nodeList([5])).toBe('5');
  expect(nodeList([3, 1, 2, 10, 9, 20])).toBe('1-3,9-10,20');
  expect(() => nodeList([])).toThrow(/at least one/);
  expect(() => nodeList([1, 0])).toThrow(/0 is no node number/);
});
