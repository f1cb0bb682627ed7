import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { BatchId, Usage } from '@omx/core';
import { capsuleShape, type EndedEvent } from '@omx/launch';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { capsuleFailure, wholeEnd } from '../src/capsule-end.ts';
import { capsuleJobOf, earlierOf, readNote, writeNote } from '../src/capsule-jobs.ts';
import { jobFolder, makeJobFolder } from '../src/job-folders.ts';

let dir: string;
const attempt = { batch: 'b7' as BatchId, index: 12, number: 2, key: 'b7.12#2', launcher: 'criu' } as const;
const usage = (userUs: number, maxRssKib = 100): Usage => ({ userUs, sysUs: 5, maxRssKib });
const ended = (facts: Partial<EndedEvent>): EndedEvent => ({
  ...{ type: 'ended', key: attempt.key, pid: 4711, startedAt: 1000, endedAt: 3000, reason: 'none' },
  ...{ usage: usage(70), oomKilled: false, outBytes: 0, errBytes: 0, truncated: false },
  ...facts,
});

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'omx-end-'));
  mkdirSync(join(makeJobFolder(dir, attempt), '.capsule'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

function status(facts: Record<string, number> | string): void {
  const whole = { exit: 0, signal: 0, errno: 0, userUs: 300, sysUs: 20, maxRssKib: 50, endedAt: 2500 };
  const text = typeof facts === 'string' ? facts : JSON.stringify({ ...whole, ...facts });
  writeFileSync(join(jobFolder(dir, attempt), '.capsule', 'status'), text);
}

function said(words: string): Pick<EndedEvent, 'output'> {
  return { output: { out: Buffer.alloc(0), err: Buffer.from(words) } };
}

test('a job that was never moved has what the shepherd counted', () => {
  status({});
  expect(wholeEnd(dir, attempt, ended({ exitCode: 0 }))).toEqual(ended({ exitCode: 0 }));
  expect(earlierOf(dir, attempt)).toEqual({ userUs: 0, sysUs: 0, maxRssKib: 0 });
});

test('one that was thawed here has what was counted before as well', () => {
  status({});
  writeNote(dir, attempt, { shape: capsuleShape(), earlier: usage(1000, 900) });
  expect(wholeEnd(dir, attempt, ended({ exitCode: 0 })).usage).toEqual({ userUs: 1300, sysUs: 25, maxRssKib: 900 });
  expect(earlierOf(dir, attempt)).toEqual(usage(1000, 900));
});

test('one that was thawed and killed from outside has what was counted before, and what the shepherd counted', () => {
  writeNote(dir, attempt, { shape: capsuleShape(), earlier: usage(1000, 900) });
  expect(wholeEnd(dir, attempt, ended({ signal: 9 }))).toMatchObject({
    signal: 9,
    usage: { userUs: 1070, sysUs: 10, maxRssKib: 900 },
  });
});

test('what criu used to make a copy, which died at once, is never less than nothing', () => {
  writeNote(dir, attempt, { shape: capsuleShape(), earlier: usage(-1000, 900) });
  const end = wholeEnd(dir, attempt, ended({ signal: 9, lost: true, usage: usage(0) }));
  expect(end.usage.userUs).toBe(0);
});

test('where the shepherd died just after the job, the job’s own word counts', () => {
  status({ exit: 3 });
  const lost = ended({ signal: 9, lost: true, endedAt: 9000, usage: usage(0) });
  const { lost: _lost, signal: _signal, ...rest } = lost;
  expect(wholeEnd(dir, attempt, lost)).toEqual({
    ...rest,
    exitCode: 3,
    endedAt: 2500,
    usage: { userUs: 300, sysUs: 20, maxRssKib: 50 },
  });
});

test('without its word the attempt is lost', () => {
  const lost = ended({ signal: 9, lost: true });
  expect(wholeEnd(dir, attempt, lost)).toEqual(lost);
});

test.for(['', '{', 'null', '{"exit":1}'])('a status file that is none, as %j, is passed over', (text) => {
  status(text);
  expect(wholeEnd(dir, attempt, ended({ exitCode: 1 }))).toEqual(ended({ exitCode: 1 }));
});

test('a command that could not be started is told by its errno', () => {
  status({ exit: 127, errno: 2 });
  expect(capsuleFailure(dir, attempt, ended({ exitCode: 127 }))).toMatchObject({ errno: 'ENOENT' });
  status({ exit: 126, errno: 8 });
  expect(capsuleFailure(dir, attempt, ended({ exitCode: 126 }))).toMatchObject({ errno: 'ENOEXEC' });
});

test('a capsule that failed is told by its words', () => {
  const words = 'warning\nomx-capsule: cannot make namespaces: Operation not permitted\n';
  expect(capsuleFailure(dir, attempt, ended({ exitCode: 125, ...said(words) }))).toEqual({
    words: 'cannot make namespaces: Operation not permitted',
  });
  for (const [errno, text] of [
    ['ENOSPC', 'No space left on device'],
    ['EAGAIN', 'Resource temporarily unavailable'],
    ['E2BIG', 'Argument list too long'],
  ]) {
    expect(
      capsuleFailure(dir, attempt, ended({ exitCode: 125, ...said(`omx-capsule: cannot fork: ${text}\n`) })),
    ).toEqual({ errno, words: `cannot fork: ${text}` });
  }
});

test('a command that ran has not failed to start, whatever its exit', () => {
  status({ exit: 125 });
  expect(capsuleFailure(dir, attempt, ended({ exitCode: 125 }))).toBeUndefined();
  rmSync(join(jobFolder(dir, attempt), '.capsule'), { recursive: true });
  expect(capsuleFailure(dir, attempt, ended({ exitCode: 1 }))).toBeUndefined();
  expect(capsuleFailure(dir, attempt, ended({ signal: 9 }))).toBeUndefined();
  expect(capsuleFailure(dir, attempt, ended({ exitCode: 125, reason: 'cancel' }))).toBeUndefined();
});

test('whoever moves a job is told all it needs', () => {
  expect(() => capsuleJobOf(dir, attempt)).toThrow('b7.12#2 is not running');
  const job = { pid: 4711, folder: jobFolder(dir, attempt), shape: capsuleShape() };
  expect(capsuleJobOf(dir, { ...attempt, pid: 4711 })).toEqual(job);
  const note = { shape: { ...capsuleShape(), mount: '/tmp/.omx-77' }, earlier: usage(5) };
  writeNote(dir, attempt, note);
  expect(readNote(dir, attempt)).toEqual(note);
  expect(capsuleJobOf(dir, { ...attempt, pid: 4711 })).toEqual({ ...job, ...note });
});
