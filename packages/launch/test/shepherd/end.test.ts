import { constants } from 'node:os';
import { bytesOf } from '@omx/core';
import { describe, expect, test } from 'vitest';
import { isAlive, Node, stateOf, until } from './kit.ts';

const { SIGKILL, SIGTERM } = constants.signals;

/** Leaves its session and its parents, tells its pid, and ignores SIGTERM. */
const daemon = `(setsid sh -c '(setsid sh -c "trap \\"\\" TERM; echo \\$\\$ > daemon.pid; while :; do sleep 60; done" &)' &)`;

/** One that has made a process by vfork(2), as dash does, waits in the kernel (D) until that one, which is stopped, goes on. */
const standsStill = (pid: number): boolean => ['T', 'D'].includes(stateOf(pid) ?? '');

describe('ending a job', () => {
  test('SIGTERM is enough for a program that obeys', async () => {
    const node = await Node.open();
    node.sh('job', 'echo ready > ready; exec sleep 1000');
    await node.line('ready');
    node.shepherd.end('job', 'cancel', 60_000);
    expect(await node.ended('job')).toMatchObject({ signal: SIGTERM, reason: 'cancel', oomKilled: false });
    await node.nothingLeft();
  });

  test('a program may use the grace to end well', async () => {
    const node = await Node.open();
    node.sh('job', 'trap "echo saved; exit 5" TERM; echo ready > ready; while :; do sleep 0.01; done');
    await node.line('ready');
    node.shepherd.end('job', 'requeue', 60_000);
    const ended = await node.ended('job');
    expect(ended).toMatchObject({ exitCode: 5, reason: 'requeue' });
    expect(ended.output?.out.toString()).toBe('saved\n');
  });

  test('SIGKILL follows for one that does not, and the first reason stays', async () => {
    const node = await Node.open();
    node.sh('job', 'trap "" TERM; echo ready > ready; while :; do sleep 0.01; done');
    await node.line('ready');
    node.shepherd.end('job', 'cancel', 60_000);
    node.shepherd.end('job', 'fenced', 50);
    expect(await node.ended('job')).toMatchObject({ signal: SIGKILL, reason: 'cancel', oomKilled: false });
    await node.nothingLeft();
  });

  test('catches a grandchild that called setsid and forked twice', async () => {
    const node = await Node.open();
    node.sh('job', `${daemon}; exec sleep 1000`);
    const pid = Number(await node.line('daemon.pid'));
    node.shepherd.end('job', 'cancel', 50);
    expect(await node.ended('job')).toMatchObject({ reason: 'cancel' });
    expect(isAlive(pid)).toBe(false);
    await node.nothingLeft();
  });

  test('reaches a stopped program', async () => {
    const node = await Node.open();
    // It starts nothing meanwhile: a shell stopped within vfork(2) waits in another state.
    node.sh('job', 'trap "exit 6" TERM; echo ready > ready; while :; do :; done');
    await node.line('ready');
    node.shepherd.pause('job');
    const { pid } = await node.started('job');
    await until('stopped', () => stateOf(pid) === 'T');
    node.shepherd.end('job', 'cancel', 60_000);
    expect(await node.ended('job')).toMatchObject({ exitCode: 6 });
  });

  test('ends three hundred at once', async () => {
    const node = await Node.open();
    const keys = Array.from({ length: 300 }, (_, i) => `s${i}`);
    node.shepherd.start(keys.map((key) => node.request(key, ['sleep', '1000'])));
    for (const key of keys) await node.started(key);
    for (const key of keys) node.shepherd.end(key, 'cancel', 0);
    for (const key of keys) expect(await node.ended(key)).toMatchObject({ signal: SIGKILL, reason: 'cancel' });
    await node.nothingLeft();
  });
});

describe('a normal end', () => {
  test('takes along what the program left in the background', async () => {
    const node = await Node.open();
    node.sh('job', 'sleep 1000 & sleep 1000 & echo left');
    expect(await node.ended('job')).toMatchObject({ exitCode: 0, reason: 'none' });
    await node.nothingLeft();
  });

  test('takes along a grandchild that called setsid and forked twice, and no other job', async () => {
    const node = await Node.open();
    node.sh('other', `${daemon.replaceAll('daemon.pid', 'other.pid')}; exec sleep 1000`);
    const other = Number(await node.line('other.pid'));
    node.sh('job', `${daemon}; while [ ! -s daemon.pid ]; do sleep 0.01; done; exit 4`);
    expect(await node.ended('job')).toMatchObject({ exitCode: 4, reason: 'none' });
    expect(isAlive(Number(node.text('daemon.pid')))).toBe(false);
    expect(isAlive(other)).toBe(true);
    expect(node.find('ended', 'other')).toBeUndefined();
  });

  test('of the last job takes along what hid with an empty environment', async () => {
    const node = await Node.open();
    node.sh(
      'job',
      `(setsid env -i /bin/sh -c '(setsid /bin/sh -c "echo \\$\\$ > hidden.pid; exec sleep 1000" &)' &)
       while [ ! -s hidden.pid ]; do sleep 0.01; done`,
    );
    await node.ended('job');
    const pid = Number(node.text('hidden.pid'));
    expect(await until('the hidden process is dead', () => !isAlive(pid))).toBe(true);
  });
});

describe('the time limit', () => {
  test('asks, then kills', async () => {
    const node = await Node.open();
    node.sh('obeys', 'exec sleep 1000', { timeMs: 60 });
    node.sh('ignores', 'trap "" TERM; while :; do sleep 0.01; done', { timeMs: 60, graceMs: 60 });
    expect(await node.ended('obeys')).toMatchObject({ signal: SIGTERM, reason: 'timeout' });
    const ignores = await node.ended('ignores');
    expect(ignores).toMatchObject({ signal: SIGKILL, reason: 'timeout' });
    expect(ignores.endedAt - ignores.startedAt).toBeGreaterThan(115);
    await node.nothingLeft();
  });

  test('does not count the time a job is paused', async () => {
    const node = await Node.open();
    node.sh('job', 'echo ready > ready; exec sleep 1000', { timeMs: 300 });
    node.sh('clock', 'sleep 0.6');
    await node.line('ready');
    const { pid } = await node.started('job');
    node.shepherd.pause('job');
    await until('stopped', () => stateOf(pid) === 'T');
    // The other job tells that twice the limit has passed.
    await node.ended('clock');
    expect(node.find('ended', 'job')).toBeUndefined();
    expect(stateOf(pid)).toBe('T');
    node.shepherd.resume('job');
    const ended = await node.ended('job');
    expect(ended.reason).toBe('timeout');
    expect(ended.endedAt - ended.startedAt).toBeGreaterThan(600);
  });
});

test('a pause stops every process of the job, a resume continues them', async () => {
  const node = await Node.open();
  node.sh('job', `sleep 1000 & ${daemon}; echo $! > child.pid; exec sleep 1000`);
  const { pid } = await node.started('job');
  const pids = [pid, Number(await node.line('daemon.pid')), Number(await node.line('child.pid'))];
  node.shepherd.pause('job');
  await until('all stopped', () => pids.every(standsStill));
  node.shepherd.resume('job');
  expect(await until('all continue', () => pids.every((pid) => stateOf(pid) !== 'T'))).toBe(true);
});

describe('maxOutputBytes', () => {
  test('cuts while the job runs, and at its end', async () => {
    const node = await Node.open();
    const limits = { maxOutputBytes: 1000 };
    node.sh('long', 'echo first; while :; do head -c 5000 /dev/zero; sleep 0.01; done', limits);
    node.sh('short', 'head -c 1001 /dev/zero', limits);
    node.sh('small', 'head -c 1000 /dev/zero', limits);
    expect(await node.ended('short')).toMatchObject({ outBytes: 1000, truncated: true });
    expect(await node.ended('small')).toMatchObject({ outBytes: 1000, truncated: false });
    let last = 0;
    await until('cut', () => {
      const size = node.text('long.out').length;
      const isCut = size < last;
      last = size;
      return isCut;
    });
    node.shepherd.end('long', 'cancel', 0);
    const long = await node.ended('long');
    expect(long).toMatchObject({ outBytes: 1000, truncated: true });
    expect(long.output?.out.toString().startsWith('first\n')).toBe(true);
  });
});

test('a FIFO as input holds up no other job', async () => {
  const node = await Node.open();
  node.sh('fifo', 'mkfifo pipe');
  await node.ended('fifo');
  node.sh('reader', 'cat', { stdin: bytesOf('pipe') });
  node.sh('other', 'true');
  expect(await node.ended('other')).toMatchObject({ exitCode: 0 });
});
