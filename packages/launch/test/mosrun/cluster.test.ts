import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { mosrunFailure } from '../../src/mosrun/classify.ts';
import { moveStep, signalGroupStep, type ControlRequest } from '../../src/mosrun/control.ts';
import {
  addressesOf,
  ownAddressProblem,
  parseMosixMap,
  parseOpenMosixMap,
  type ClusterMap,
} from '../../src/mosrun/map.ts';
import { readClusterNodes } from '../../src/mosrun/nodes.ts';
import { fixtureFile, mosixTree } from '../fixture.ts';

function openMosixMap(name: string): ClusterMap {
  return parseOpenMosixMap(readFileSync(fixtureFile(`maps/${name}`), 'utf8'), name);
}

function mosixMap(name: string): ClusterMap {
  return parseMosixMap(readFileSync(fixtureFile(`maps/${name}`), 'utf8'), name);
}

test('the node table of openMosix: negative is down, unknown is undefined', () => {
  const { roots } = mosixTree('openmosix-2.4');
  const unknown = {
    load: undefined,
    speed: undefined,
    cpus: undefined,
    memTotalBytes: undefined,
    memFreeBytes: undefined,
    utilPercent: undefined,
  };
  expect(readClusterNodes(`${roots.proc}/hpc`, roots)).toStrictEqual([
    {
      id: 2611,
      up: true,
      load: 133,
      speed: 10000,
      cpus: 2,
      memTotalBytes: 2 ** 30,
      memFreeBytes: 2 ** 29,
      utilPercent: 100,
      flags: [],
    },
    {
      id: 2628,
      up: true,
      load: 0,
      speed: 7500,
      cpus: 1,
      memTotalBytes: 2 ** 29,
      memFreeBytes: 2 ** 28,
      utilPercent: 98,
      flags: ['stay'],
    },
    { id: 2631, up: false, ...unknown, flags: [] },
    {
      id: 2648,
      up: false,
      load: 50,
      speed: 4000,
      cpus: 1,
      memTotalBytes: 2 ** 28,
      memFreeBytes: 2 ** 22,
      utilPercent: undefined,
      flags: [],
    },
  ]);
  expect(readClusterNodes(`${roots.proc}/nowhere`, roots)).toEqual([]);
});

test('MOSIX 1 on an old kernel counts memory in bytes', () => {
  const { roots } = mosixTree('mosix-1');
  expect(readClusterNodes(`${roots.proc}/mosix`, roots)[0]).toMatchObject({
    id: 1,
    up: true,
    memTotalBytes: 2 ** 29,
    memFreeBytes: 2 ** 28,
  });
});

test('a good openMosix map', () => {
  const map = openMosixMap('openmosix.good');
  expect(map.problems).toEqual([]);
  expect(map.entries.map(({ at, firstId, count }) => [at, firstId, count])).toEqual([
    ['openmosix.good:3', 1, 4],
    ['openmosix.good:4', 10, 6],
    ['openmosix.good:5', 20, 1],
    ['openmosix.good:6', 20, 0],
  ]);
  expect(map.entries.flatMap((entry) => addressesOf(entry))).toContain('192.168.2.255');
});

test('a bad openMosix map: every fault with its line', () => {
  expect(openMosixMap('openmosix.bad').problems).toEqual([
    'openmosix.bad:2: node 3 is taken already by openmosix.bad:1',
    'openmosix.bad:3: node numbers run from 1 to 65535',
    'openmosix.bad:4: 3 addresses from 192.168.4.254 on run past .255',
    "openmosix.bad:5: a run of 2 nodes needs an address, not the name 'name.example'",
    'openmosix.bad:6: 192.168.1.2 is taken already by openmosix.bad:1',
    "openmosix.bad:7: 'x' is no node number",
    'openmosix.bad:8: expected three words: number, address, count',
    "openmosix.bad:9: '1.2.3.400' is no address",
    "openmosix.bad:10: 'many' is neither a count nor ALIAS",
    'openmosix.bad:11: node 99 has no entry of its own',
  ]);
});

test('maps of MOSIX: numbers follow from the order, faults have their line', () => {
  const good = mosixMap('mosix.good');
  expect(good.problems).toEqual([]);
  expect(good.entries.map(({ firstId, host, flags }) => [firstId, host, flags])).toEqual([
    [1, '10.0.0.1', 'p'],
    [5, 'far.example', 'po'],
  ]);
  expect(mosixMap('mosix.bad').problems).toEqual([
    'mosix.bad:1: 10.0.0.1 has no count',
    "mosix.bad:2: 'not' is no count",
    "mosix.bad:3: 'x' is not made of p and o",
    "mosix.bad:4: '0' is no count",
    "mosix.bad:5: 'pop' is not made of p and o",
    "mosix.bad:6: 'p o' is not made of p and o",
  ]);
  expect(mosixMap('empty').problems).toEqual(['empty:1: the map is empty']);
});

test('at most 256 entries', () => {
  const lines = Array.from({ length: 258 }, (_, index) => `${index + 1} 10.0.${index >> 7}.${index & 127} 1`);
  expect(parseOpenMosixMap(lines.slice(0, 256).join('\n'), 'm').problems).toEqual([]);
  expect(parseOpenMosixMap(lines.join('\n'), 'm').problems).toEqual(['m:257: more than 256 entries']);
});

test("a node's own address must be in the map", () => {
  const map = openMosixMap('openmosix.good');
  expect(ownAddressProblem(map, ['192.168.1.3'])).toBeUndefined();
  expect(ownAddressProblem(map, ['::1', '10.0.0.20'])).toBeUndefined();
  expect(ownAddressProblem(map, ['127.0.0.1', '::1'])).toMatch(/127\.0\.0\.1.*real address/);
  expect(ownAddressProblem(map, ['172.16.0.1'])).toMatch(/none of this machine/);
  expect(ownAddressProblem(map, [])).toMatch(/no address/);
});

const at = (dialect: ControlRequest['dialect'], subject: ControlRequest['subject']): ControlRequest => ({
  dialect,
  subject,
  tools: { migrate: '/bin/migrate', mosmigrate: '/bin/mosmigrate' },
  proc: '/proc',
});

test.each([
  [at('openmosix-2.4', { pid: 5 }), { kind: 'node', node: '7' }, ['/bin/migrate', '5', '7']],
  [at('openmosix-2.4', { pid: 5 }), { kind: 'home' }, ['/bin/migrate', '5', 'home']],
  [at('openmosix-2.4', { pid: 5 }), { kind: 'balance' }, ['/bin/migrate', '5', 'balance']],
  [at('mosix-2', { groupId: 9 }), { kind: 'node', node: 'host' }, ['/bin/migrate', '-j9', 'host']],
  [at('mosix-3', { pid: 5 }), { kind: 'home' }, ['/bin/mosmigrate', '5', 'home']],
  [at('mosix-4', { groupId: 9 }), { kind: 'node', node: '10.0.0.7' }, ['/bin/mosmigrate', '-j9', '10.0.0.7']],
] as const)('moves: %o to %o', (request, target, argv) => {
  expect(moveStep(request, target)).toEqual({ kind: 'run', argv });
});

test('openMosix 2.6 is told through a file', () => {
  const request = at('openmosix-2.6', { pid: 5 });
  const path = '/proc/5/om/where';
  expect(moveStep(request, { kind: 'node', node: 'fe80::1' })).toEqual({ kind: 'write', path, text: 'fe80::1' });
  expect(moveStep(request, { kind: 'home' })).toEqual({ kind: 'write', path, text: 'home' });
});

test('what a dialect cannot do is refused', () => {
  const node = { kind: 'node', node: '7' } as const;
  expect(() => moveStep(at('openmosix-2.4', { groupId: 9 }), node)).toThrow(/cannot move a group/);
  expect(() => moveStep(at('openmosix-2.6', { groupId: 9 }), node)).toThrow(/cannot move a group/);
  expect(() => moveStep(at('openmosix-2.6', { pid: 9 }), { kind: 'balance' })).toThrow(/cannot balance/);
  expect(() => moveStep(at('mosix-4', { pid: 9 }), { kind: 'balance' })).toThrow(/cannot take a balance order/);
  expect(() => moveStep(at('mosix-4', { pid: 9 }), { kind: 'node', node: '-9' })).toThrow(/no name of a node/);
});

test('signals to a group', () => {
  expect(signalGroupStep(at('mosix-4', { groupId: 123 }), 9)).toEqual({
    kind: 'run',
    argv: ['moskillall', '-9', '-J123'],
  });
  expect(signalGroupStep(at('mosix-4', { pid: 1 }), 9)).toBeUndefined();
  expect(signalGroupStep(at('openmosix-2.4', { groupId: 1 }), 9)).toBeUndefined();
});

test.each([
  [
    'an early refusal',
    { exitCode: 1, durationMs: 20, stderr: 'mosrun: node 7 is not available\n' },
    'mosrun: node 7 is not available',
  ],
  ['in capitals', { exitCode: 1, durationMs: 20, stderr: 'MOSRUN: no MOSIX\nmore' }, 'MOSRUN: no MOSIX'],
  ['success', { exitCode: 0, durationMs: 20, stderr: 'mosrun: x' }, undefined],
  ['a signal', { durationMs: 20, stderr: 'mosrun: x' }, undefined],
  ['a long run', { exitCode: 1, durationMs: 1000, stderr: 'mosrun: x' }, undefined],
  ['not the first line', { exitCode: 1, durationMs: 20, stderr: 'failed\nmosrun: x' }, undefined],
  [
    'a report of an unsupported call',
    { exitCode: 1, durationMs: 20, stderr: "MOSRUN: system-call 'x' not supported under MOSIX" },
    undefined,
  ],
  ['silence', { exitCode: 1, durationMs: 20, stderr: '' }, undefined],
] as const)('did mosrun fail? %s', (_, end, message) => {
  expect(mosrunFailure(end)).toEqual(message === undefined ? undefined : { reason: 'launcher-unavailable', message });
});
