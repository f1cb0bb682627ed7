import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { bytesOf } from '@omx/core';
import type { ShepherdEvent } from '@omx/launch';

import { SelfTest } from '../src/self-test.ts';

let nodeDir = '';
beforeEach(() => {
  nodeDir = mkdtempSync('/tmp/omx-self-test-');
});
afterEach(() => rmSync(nodeDir, { recursive: true, force: true }));

/** One whose shepherd answers so. */
function selfTest(answer: (key: string) => ShepherdEvent = ended, dir = nodeDir): SelfTest {
  const made = new SelfTest({
    nodeDir: dir,
    shepherd: {
      defineEnvironment: () => {},
      end: () => {},
      start: ([request]) => queueMicrotask(() => made.hear(answer(request?.key ?? ''))),
    },
  });
  return made;
}

function ended(key: string, exitCode = 0): ShepherdEvent {
  const usage = { userUs: 0, sysUs: 0, maxRssKib: 0 };
  const facts = { oomKilled: false, outBytes: 0, errBytes: 0, truncated: false, usage, reason: 'none' as const };
  return { type: 'ended', key, pid: 2, startedAt: 1, endedAt: 2, exitCode, ...facts };
}

test('finds nothing on a machine that is well, and leaves nothing behind', async () => {
  expect(
    await selfTest().run([
      { cwd: bytesOf('/'), tmp: bytesOf('/tmp') },
      { cwd: bytesOf('/tmp'), tmp: bytesOf(nodeDir) },
    ]),
  ).toBeUndefined();
  expect(readdirSync(nodeDir)).toEqual([]);
});

test('names the folder it cannot write in, and why', async () => {
  expect(await selfTest(ended, '/proc/omx').run()).toBe(
    'it cannot write in /proc/omx: ENOENT, no such file or directory',
  );
});

test('does not blame the node for folders a batch names that are not there', async () => {
  expect(await selfTest().run([{ cwd: bytesOf('/no/such'), tmp: bytesOf('/no/such') }])).toBeUndefined();
});

test('blames it where it cannot start a process', async () => {
  const refused = (key: string): ShepherdEvent => ({ type: 'refused', key, stage: 'fork', errno: 'EAGAIN', at: 1 });
  expect(await selfTest(refused).run()).toMatch(/^it cannot start \/bin\/sh \(fork: EAGAIN/);
  expect(await selfTest((key) => ended(key, 127)).run()).toBe('/bin/sh ends with code 127 there');
});

test('waits for a lease before it judges', async () => {
  const refused = (key: string): ShepherdEvent => ({ type: 'refused', key, stage: 'lease', errno: 'EPERM', at: 1 });
  expect(await selfTest(refused).run()).toBeUndefined();
});
