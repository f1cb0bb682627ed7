import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Job } from '@omx/core';
import { expect, onTestFinished, test } from 'vitest';

import { type Account, falseEntries, type JobAccount, outputsKept } from './kit/account.ts';
import { leakedFiles, leakedKeys } from './kit/leaks.ts';

const base = { retries: 0, crashes: 0, moves: 0, wish: 'none', queuedAt: 1, usage: {}, output: {} };

function ended(attempt: number, startedAt: number, endedAt: number, more: object = {}): Job {
  const outcome = { kind: 'succeeded' };
  return { ...base, status: 'ended', attempt, startedAt, endedAt, outcome, ...more } as unknown as Job;
}

const exited = { outcome: { kind: 'exited', code: 3 } };
const trace = ['start b1.1 1 n1 7 1.00', 'end b1.1 1 n1 7 2.00', 'start b1.1 2 n2 7 3.00', 'end b1.1 2 n2 7 4.00'];

/** A job that failed once and was tried again, or what is made of it. */
function account(change: Partial<JobAccount> = {}, counts = { succeeded: 1 }): Account {
  const job: JobAccount = {
    id: 'b1.1',
    shown: { state: 'succeeded', attempt: 2, outcome: 'succeeded', node: 'n2' },
    record: ended(2, 3000, 4000, { retries: 1 }),
    history: [ended(1, 1000, 2000, exited)],
    output: 'begin 1 2\ndone 1 2\n',
    ...change,
  };
  return { counts, jobs: [job] };
}

test('a true account has no false entry', () => {
  expect(falseEntries(account(), trace, { flaky: true })).toEqual([]);
});

const running = { ...base, status: 'running', attempt: 2, startedAt: 3000, retries: 1 } as unknown as Job;
const wrong: Record<string, [Account, RegExp]> = {
  'a job without an end': [account({ record: running }), /has not ended/],
  'a job that did not succeed': [account({ record: ended(2, 3000, 4000, { ...exited, retries: 1 }) }), /ended as/],
  'counts that do not sum up': [account({}, { succeeded: 2 }), /counts/],
  'a job that is shown as another': [
    account({ shown: { state: 'failed', attempt: 2, outcome: 'exited', node: 'n2' } }),
    /shown as failed/,
  ],
  'a history out of order': [account({ history: [ended(2, 1000, 2000, exited)] }), /comes after 2/],
  'an end before its start': [account({ record: ended(2, 4000, 3000, { retries: 1 }) }), /wrong order/],
  'attempts that overlap': [account({ history: [ended(1, 1000, 3500, exited)] }), /began before 1 had ended/],
  'an attempt that nobody has recorded': [account({ record: ended(1, 3000, 4000, { retries: 1 }) }), /2 has run/],
  'a rescue that was charged': [account({ history: [ended(1, 1000, 2000, { outcome: { kind: 'lost' } })] }), /charged/],
  'an end that never was': [account({ record: ended(3, 3000, 4000, { retries: 1 }) }), /did not come to its end/],
  'the output of another attempt': [account({ output: 'begin 1 1\ndone 1 1\n' }), /output is not/],
  'no output': [account({ output: '' }), /output is not/],
};
test.each(Object.entries(wrong))('%s is found', (_, [wrongly, words]) => {
  expect(falseEntries(wrongly, trace, { flaky: true }).join('\n')).toMatch(words);
});

test('a failure that was not expected is found', () => {
  expect(falseEntries(account(), trace)).toEqual(['b1.1: 1 retries are charged; it failed by itself 1 times']);
  expect(falseEntries(account({ record: ended(2, 3000, 4000) }), trace, { flaky: true })).toEqual([]);
});

test('keys that should have gone are found', () => {
  const left = [
    'omx:active',
    'omx:{nodes}:lease:n1',
    'omx:{b1}:outbox',
    'omx:{b1}:parked',
    '{omx:q:any}:chunks-any:active',
    '{omx:q:any}:chunks-any:b1-1',
    '{omx:q:any}:chunks-any:b1-1:lock',
  ];
  const stay = ['omx:last', 'omx:env:abc', 'omx:{nodes}:info', 'omx:{b1}:jobs:0', '{omx:q:any}:chunks-any:meta'];
  expect(leakedKeys([...left, ...stay])).toEqual(left.toSorted());
});

test('files that should have gone are found', () => {
  const dir = mkdtempSync('/tmp/omx-leaks-');
  onTestFinished(() => rmSync(dir, { recursive: true }));
  mkdirSync(`${dir}/out/b1`, { recursive: true });
  writeFileSync(`${dir}/identity`, 'me');
  expect(leakedFiles(dir)).toEqual([]);
  writeFileSync(`${dir}/out/b1/1.1.out`, '');
  expect(leakedFiles(dir, ['out/b1/1.1.out'])).toEqual([]);
  writeFileSync(`${dir}/journal`, Buffer.alloc(65 * 1024));
  expect(leakedFiles(dir).toSorted()).toEqual([`${dir}/journal (66560 bytes)`, `${dir}/out/b1/1.1.out`]);
});

test('output that the record says is on the node may stay there', () => {
  const there = { output: { place: 'node' } };
  expect(outputsKept(account({ record: ended(2, 3000, 4000, there) }))).toEqual(['out/b1/1.2.out', 'out/b1/1.2.err']);
  expect(outputsKept(account({ history: [ended(1, 1000, 2000, there)] }))).toEqual([
    'out/b1/1.1.out',
    'out/b1/1.1.err',
  ]);
  expect(outputsKept(account())).toEqual([]);
});
