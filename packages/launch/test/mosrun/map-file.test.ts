import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { machineRoots } from '../../src/host/roots.ts';
import { findMap, ownAddresses, readMap } from '../../src/mosrun/map-file.ts';
import { ownNode } from '../../src/mosrun/map.ts';

let etc: string;
beforeEach(() => {
  etc = mkdtempSync(join(tmpdir(), 'omx-etc-'));
  mkdirSync(join(etc, 'mosix'));
});
afterEach(() => rmSync(etc, { recursive: true }));

function write(name: string, text: string): string {
  const path = join(etc, name);
  writeFileSync(path, text);
  return path;
}

test('the map is looked for where the cluster looks, in its order', () => {
  const found = () => findMap({ ...machineRoots, etc });
  expect(found()).toBeUndefined();
  const last = write('mosix/mosix.map', '');
  expect(found()).toBe(last);
  const second = write('mosix.map', '');
  expect(found()).toBe(second);
  const first = write('openmosix.map', '');
  expect(found()).toBe(first);
});

test('both kinds are told apart by their lines', () => {
  const openMosix = readMap(write('one', '# nodes\n\n 5 10.0.0.1 2\n'));
  const mosix = readMap(write('two', '#nodes\n10.0.0.1 2 p\nten 1\n'));
  expect(openMosix.map).toMatchObject({ problems: [], entries: [{ firstId: 5 }] });
  expect(mosix.map).toMatchObject({ problems: [], entries: [{ firstId: 1 }, { firstId: 3 }] });
  expect(ownNode(openMosix.map, ['10.0.0.2'])).toEqual({ id: 6 });
  expect(ownNode(mosix.map, ['ten'])).toEqual({ id: 3, host: 'ten' });
  expect(ownNode(mosix.map, ['eleven'])).toBeUndefined();
});

test('the digest is of what the map says, not of how it is written', () => {
  const { digest } = readMap(write('one', '1 10.0.0.1 2\n'));
  expect(readMap(write('two', '# a comment\n1   10.0.0.1\t2')).digest).toBe(digest);
  expect(readMap(write('three', '1 10.0.0.1 3\n')).digest).not.toBe(digest);
});

test('one that cannot be read is an error that names it', () => {
  expect(() => readMap(join(etc, 'none'))).toThrow(/cannot read the map .*none/);
});

test('the machine knows itself by name and by its interfaces', async () => {
  const { byName, byInterface } = await ownAddresses();
  expect(byName.length).toBeGreaterThan(0);
  expect(byInterface.filter((address) => address.startsWith('127.') || address === '::1')).toEqual([]);
});
