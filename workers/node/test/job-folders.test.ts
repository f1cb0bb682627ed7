import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { BatchId } from '@omx/core';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { until } from '../../../test/kit/until.ts';
import {
  emptyTrash,
  filesOf,
  foundJobFolders,
  jobFolder,
  keptOutput,
  makeJobFolder,
  noteFile,
  removeJobFolder,
} from '../src/job-folders.ts';

let dir: string;
const attempt = { batch: 'b7' as BatchId, index: 12, number: 2 };

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'omx-folders-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

async function nothingLeft(): Promise<void> {
  await until(() => readdirSync(join(dir, 'jobs')), { is: (names) => names.length === 0 });
}

test('an attempt has a folder by its name, empty at first', () => {
  const folder = makeJobFolder(dir, attempt);
  expect(folder).toBe(join(dir, 'jobs', 'b7', '12.2'));
  expect(readdirSync(folder)).toEqual(['tmp']);
  writeFileSync(join(folder, 'old'), '');
  expect(readdirSync(makeJobFolder(dir, attempt))).toEqual(['tmp']);
});

test('it goes with its note and its batch, whatever is in it', async () => {
  const folder = makeJobFolder(dir, attempt);
  writeFileSync(noteFile(dir, attempt), '{}');
  const outside = join(dir, 'outside');
  mkdirSync(outside);
  writeFileSync(join(outside, 'kept'), '');
  const deep = join(folder, 'tmp', 'deep');
  mkdirSync(deep);
  symlinkSync(outside, join(deep, 'link'));
  writeFileSync(Buffer.concat([Buffer.from(`${deep}/`), Buffer.from([0xff, 0x0a])]), 'x');
  for (const each of [deep, join(folder, 'tmp')]) chmodSync(each, 0o500);
  removeJobFolder(dir, attempt);
  // At once, as the job may start here again.
  expect(existsSync(folder)).toBe(false);
  await nothingLeft();
  expect(readdirSync(outside)).toEqual(['kept']);
});

test('its output stays where it is wanted, among that of other launchers', async () => {
  const folder = makeJobFolder(dir, attempt);
  writeFileSync(join(folder, 'out'), 'text');
  removeJobFolder(dir, attempt, { keepOutput: true });
  const kept = keptOutput(dir, attempt);
  expect(readFileSync(kept.out, 'utf8')).toBe('text');
  expect(existsSync(kept.err)).toBe(false);
  await nothingLeft();
  // A second time changes nothing.
  removeJobFolder(dir, attempt, { keepOutput: true });
  expect(readFileSync(kept.out, 'utf8')).toBe('text');
});

test('the next worker finds what an earlier one left', async () => {
  makeJobFolder(dir, attempt);
  const other = { ...attempt, index: 3, number: 1 };
  makeJobFolder(dir, other);
  rmSync(jobFolder(dir, other), { recursive: true });
  writeFileSync(noteFile(dir, other), '{}');
  mkdirSync(join(dir, 'jobs', '.gone', 'b1.1#1.99.1'), { recursive: true });
  expect(foundJobFolders(dir).toSorted((a, b) => a.index - b.index)).toEqual([other, attempt]);
  for (const each of foundJobFolders(dir)) removeJobFolder(dir, each);
  emptyTrash(dir);
  await nothingLeft();
});

test('an attempt is known by its name in the shepherd', () => {
  expect(filesOf('b7.12#2')).toEqual(attempt);
  expect(filesOf('self-test#4.1')).toBeUndefined();
});
