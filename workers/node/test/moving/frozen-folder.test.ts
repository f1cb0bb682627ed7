import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { FrozenFolder, type FrozenState } from '../../src/moving/frozen-folder.ts';

const state: FrozenState = {
  shape: { userNamespace: true, mount: '/tmp/.omx-1', own: [] },
  usage: { userUs: 1, sysUs: 2, maxRssKib: 3 },
  ranMs: 4,
};

let nodeDir: string;
beforeEach(() => {
  nodeDir = mkdtempSync(join(tmpdir(), 'omx-frozen-'));
});
afterEach(() => rmSync(nodeDir, { recursive: true }));

test('a job is frozen from the state on, and not any more without it', () => {
  const folder = new FrozenFolder(nodeDir, 'b1.1#1');
  expect(FrozenFolder.keys(nodeDir)).toEqual([]);
  mkdirSync(folder.image, { recursive: true });
  expect(folder.read()).toBeUndefined();
  folder.write(state);
  expect(new FrozenFolder(nodeDir, 'b1.1#1').read()).toEqual(state);
  folder.forgetState();
  expect(folder.read()).toBeUndefined();
  expect(FrozenFolder.keys(nodeDir)).toEqual(['b1.1#1']);
  folder.remove();
  expect(existsSync(folder.image)).toBe(false);
  expect(FrozenFolder.keys(nodeDir)).toEqual([]);
});
