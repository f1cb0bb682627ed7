import { batchId, freshJob } from '@omx/core';
import { expect, test } from 'vitest';

import type { Attempt } from '../src/attempt.ts';
import { Followers } from '../src/followers.ts';

let made = 0;

function attemptOf(more: Partial<Attempt> = {}): Attempt {
  made += 1;
  return {
    key: `b1.${made}#1`,
    batch: batchId(1),
    ordinal: made,
    index: made,
    number: 1,
    slots: 1,
    snapshot: { ordinal: made, record: Buffer.alloc(0), job: freshJob('queued', 0) },
    phase: 'ready',
    launcher: 'plain',
    ...more,
  };
}

function leadOf(followers: Followers, more: Partial<Attempt> = {}): Attempt {
  const lead = attemptOf({ phase: 'running', ...more });
  followers.lead(lead, undefined);
  return lead;
}

test('only short jobs are followed: for 40 ms of work and by 32 at most, or by one', () => {
  const followers = new Followers();
  leadOf(followers);
  leadOf(followers);
  const like = attemptOf();
  expect(followers.room(like, undefined)).toBe(0);
  expect(followers.room(like, 201)).toBe(0);
  expect(followers.room(like, 200)).toBe(2);
  expect(followers.room(like, 40)).toBe(2);
  expect(followers.room(like, 10)).toBe(8);
  expect(followers.room(like, 0)).toBe(64);
  followers.add([attemptOf()], 1);
  expect(followers.room(like, 10)).toBe(7);
});

test('each follows the last of the shortest row', () => {
  const followers = new Followers();
  const leads = [leadOf(followers), leadOf(followers)];
  const added = [1, 2, 3, 4].map(() => attemptOf());
  expect(followers.add(added, 1)).toEqual([leads[0], leads[1], added[0], added[1]]);
  expect([...followers.waiting]).toEqual(added);
});

test('a row that is behind is filled first', () => {
  const followers = new Followers();
  const long = leadOf(followers);
  const [a, b] = [attemptOf(), attemptOf()];
  followers.add([a, b], 1);
  const short = leadOf(followers);
  const added = [1, 2, 3, 4].map(() => attemptOf());
  expect(followers.add(added, 1)).toEqual([short, added[0], added[1], b]);
  expect(followers.over(long)).toBe(a);
});

test('of its own batch alone, and where it takes the same', () => {
  const followers = new Followers();
  leadOf(followers, { slots: 2, memBytes: 5 });
  for (const other of [{}, { slots: 2 }, { slots: 2, memBytes: 6 }, { batch: batchId(2), slots: 2, memBytes: 5 }]) {
    expect(followers.room(attemptOf(other), 1)).toBe(0);
    expect(followers.add([attemptOf(other)], 1)).toEqual([]);
  }
  expect(followers.room(attemptOf({ slots: 2, memBytes: 5 }), 1)).toBe(32);
});

test('nobody follows one that is paused, cancelled, somebody else’s, or over', () => {
  for (const state of [
    { paused: true },
    { cancelledBy: 'user' as const },
    { fenced: true },
    { phase: 'frozen' as const },
    { phase: 'ending' as const },
  ]) {
    const followers = new Followers();
    Object.assign(leadOf(followers), state);
    expect(followers.room(attemptOf(), 1)).toBe(0);
    expect(followers.add([attemptOf()], 1)).toEqual([]);
  }
});

test('when the lead is over the next leads, and the rest wait for it', () => {
  const followers = new Followers();
  const lead = leadOf(followers);
  const [a, b] = [attemptOf(), attemptOf()];
  followers.add([a], 1);
  followers.add([b], 1);
  expect(followers.over(lead)).toBe(a);
  a.phase = 'starting';
  expect([...followers.waiting]).toEqual([b]);
  expect(followers.close(lead)).toEqual([]);
  const c = attemptOf();
  expect(followers.add([c], 1)).toEqual([b]);
  expect(followers.over(a)).toBe(b);
  expect(followers.over(b)).toBe(c);
  expect(followers.over(c)).toBeUndefined();
  expect(followers.waiting.size).toBe(0);
  expect(followers.room(attemptOf(), 1)).toBe(0);
});

test('one that comes back leaves its place to those behind it', () => {
  const followers = new Followers();
  const lead = leadOf(followers);
  const [a, b, c] = [attemptOf(), attemptOf(), attemptOf()];
  for (const attempt of [a, b, c]) followers.add([attempt], 1);
  expect(followers.over(b)).toBeUndefined();
  expect([...followers.waiting]).toEqual([a, c]);
  expect(followers.over(lead)).toBe(a);
  expect(followers.over(a)).toBe(c);
});

test('a row that is closed is joined by nobody until the next of it runs', () => {
  const followers = new Followers();
  const lead = leadOf(followers);
  const [a, b] = [attemptOf(), attemptOf()];
  followers.add([a], 1);
  followers.add([b], 1);
  expect(followers.close(lead)).toEqual([a, b]);
  expect(followers.add([attemptOf()], 1)).toEqual([]);
  expect(followers.over(b)).toBeUndefined();
  // It had started before it could be called back.
  expect(followers.over(lead)).toBe(a);
  a.phase = 'running';
  expect(followers.add([attemptOf()], 1)).toEqual([a]);
});

test('nobody follows one that may have come back, until its answer is here', () => {
  const followers = new Followers();
  const lead = leadOf(followers);
  const [a, b, c] = [attemptOf(), attemptOf(), attemptOf()];
  for (const attempt of [a, b, c]) followers.add([attempt], 1);
  expect(followers.close(lead)).toEqual([a, b, c]);
  expect(followers.over(lead)).toBe(a);
  a.phase = 'running';
  expect(followers.room(attemptOf(), 1)).toBe(0);
  expect(followers.over(b)).toBeUndefined();
  expect(followers.add([attemptOf()], 1)).toEqual([]);
  expect(followers.over(c)).toBeUndefined();
  expect(followers.add([b], 1)).toEqual([a]);
});

test.for([{ cancelledBy: 'user' as const }, { fenced: true }])('nor one that is not to start: %o', (state) => {
  const followers = new Followers();
  leadOf(followers);
  const waiting = attemptOf();
  followers.add([waiting], 1);
  Object.assign(waiting, state);
  expect(followers.add([attemptOf()], 1)).toEqual([]);
});

test('all rows are closed at once', () => {
  const followers = new Followers();
  const leads = [leadOf(followers), leadOf(followers)];
  const added = [attemptOf(), attemptOf(), attemptOf()];
  for (const attempt of added) followers.add([attempt], 1);
  expect(followers.closeAll()).toEqual(added);
  expect(followers.room(attemptOf(), 1)).toBe(0);
  for (const lead of leads) expect(followers.over(lead)).toBeDefined();
});

test('who waits behind a job that is known to take its time has patience', () => {
  const followers = new Followers();
  const lead = leadOf(followers);
  expect(followers.arePatient(lead)).toBe(false);
  followers.add([attemptOf()], 40);
  expect(followers.arePatient(lead)).toBe(false);
  const other = leadOf(followers);
  followers.add([attemptOf()], 100);
  expect(followers.arePatient(other)).toBe(true);
});

test('of those with patience as many come back as could start at once, each row once', () => {
  const followers = new Followers();
  leadOf(followers);
  followers.add([attemptOf()], 1);
  expect(followers.closePatient(9)).toEqual([]);
  leadOf(followers);
  leadOf(followers);
  const [a, b] = [attemptOf(), attemptOf()];
  followers.add([a, b], 100);
  expect(followers.closePatient(1)).toHaveLength(1);
  expect(followers.closePatient(9)).toHaveLength(1);
  expect(followers.closePatient(9)).toEqual([]);
});
