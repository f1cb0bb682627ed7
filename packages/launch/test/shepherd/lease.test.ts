import { execFile } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { isAlive, Node, stateOf, until } from './kit.ts';

const { SIGKILL } = constants.signals;
const hour = 3600_000;

/** Leaves its session and its parents, and tells its pid. */
const daemon = `(setsid sh -c '(setsid sh -c "echo \\$\\$ > daemon.pid; exec sleep 1000" &)' &)`;

/** A job cannot tell the time here: it is stopped, or not started. */
async function passes(seconds: number): Promise<void> {
  await promisify(execFile)('sleep', [String(seconds)]);
}

/** A job of three processes, one of them hidden; their pids. */
async function tree(node: Node, more = {}): Promise<number[]> {
  node.sh('job', `sleep 1000 & echo $! > child.pid; ${daemon}; exec sleep 1000`, more);
  const { pid } = await node.started('job');
  return [pid, Number(await node.line('child.pid')), Number(await node.line('daemon.pid'))];
}

const allStopped = (pids: readonly number[]): boolean => pids.every((pid) => stateOf(pid) === 'T');
const noneStopped = (pids: readonly number[]): boolean => pids.every((pid) => isAlive(pid) && stateOf(pid) !== 'T');

describe('a lease that runs out', () => {
  test('stops every process of every job with `pause`, and a new one lets them go on', async () => {
    const node = await Node.open();
    const pids = await tree(node);
    node.sh('other', 'exec sleep 1000');
    pids.push((await node.started('other')).pid);
    await node.leased(600, 'pause');
    expect(node.shepherd.suspended).toBe(false);
    expect(noneStopped(pids)).toBe(true);
    await until('all stopped', () => allStopped(pids));
    await until('told', () => node.shepherd.suspended);
    await node.leased(hour, 'pause');
    expect(node.shepherd.suspended).toBe(false);
    expect(noneStopped(pids)).toBe(true);
    expect(node.events.filter((event) => event.type === 'ended')).toEqual([]);
  });

  test.each(['./chain', 'setsid ./chain'])('lets no fork escape: %s', async (chain) => {
    const node = await Node.open();
    // Each process lives for a moment and leaves another behind.
    writeFileSync(node.path('chain'), '#!/bin/sh\necho >> log\n[ -e off ] || ./chain &\n');
    chmodSync(node.path('chain'), 0o755);
    node.sh('job', `${chain} & ${chain} & while :; do /bin/true; done`);
    await until('a long chain', () => node.text('log').length > 20);
    await node.leased(-1000, 'pause');
    // Every stop is sent by then.
    await passes(1.2);
    const [log, pids] = [node.text('log').length, node.processes()];
    // Stopped between vfork and exec, a parent waits in the kernel (D) until its child goes on.
    expect(pids.map(stateOf).filter((state) => !['T', 'D', 'Z'].includes(state ?? ''))).toEqual([]);
    await passes(0.3);
    expect(node.text('log').length).toBe(log);
    expect(node.processes()).toEqual(pids);
    await node.leased(hour, 'pause');
    await until('it goes on', () => node.text('log').length > log + 10);
  });

  test('ends every job at once with `stop`', async () => {
    const node = await Node.open();
    const pids = await tree(node);
    node.lease(300, 'stop');
    expect(await node.ended('job')).toMatchObject({ signal: SIGKILL, reason: 'lease' });
    expect(pids.some(isAlive)).toBe(false);
    expect(node.shepherd.suspended).toBe(true);
    await node.nothingLeft();
  });

  test('does nothing with `finish`', async () => {
    const node = await Node.open();
    const pids = await tree(node);
    await node.leased(-1000, 'finish');
    expect(node.shepherd.suspended).toBe(false);
    node.sh('next', 'true');
    expect(await node.ended('next')).toMatchObject({ exitCode: 0, reason: 'none' });
    expect(noneStopped(pids)).toBe(true);
  });

  test('runs out as well when the worker has gone', async () => {
    const node = await Node.open();
    const pids = await tree(node);
    await node.leased(600, 'pause');
    node.shepherd.close();
    await until('all stopped', () => allStopped(pids));
    await node.connect();
    expect(node.shepherd.suspended).toBe(true);
    expect(node.shepherd.hello.running).toMatchObject([{ key: 'job', paused: false }]);
    await node.leased(hour, 'pause');
    expect(noneStopped(pids)).toBe(true);
  });

  test('kills what was being ended', async () => {
    const node = await Node.open();
    node.sh('job', 'trap "" TERM; echo ready > ready; while :; do sleep 0.01; done');
    await node.line('ready');
    node.shepherd.end('job', 'cancel', hour);
    node.lease(-1000, 'pause');
    expect(await node.ended('job')).toMatchObject({ signal: SIGKILL, reason: 'cancel' });
    await node.nothingLeft();
  });

  test('stops the clock of the time limit', async () => {
    const node = await Node.open();
    const pids = await tree(node, { timeMs: 500 });
    node.lease(-1000, 'pause');
    await until('all stopped', () => allStopped(pids));
    await passes(0.8);
    expect(allStopped(pids)).toBe(true);
    expect(node.find('ended', 'job')).toBeUndefined();
    node.lease(hour, 'pause');
    const ended = await node.ended('job');
    expect(ended.reason).toBe('timeout');
    expect(ended.endedAt - ended.startedAt).toBeGreaterThan(1000);
  });
});

test('a lease renewed in time stops nothing', async () => {
  const node = await Node.open();
  node.sh('job', 'exec sleep 2');
  const { pid } = await node.started('job');
  await until('ended', () => {
    node.lease(1000, 'stop');
    expect(node.shepherd.suspended).toBe(false);
    expect(stateOf(pid)).not.toBe('T');
    return node.find('ended', 'job');
  });
  expect(node.find('ended', 'job')).toMatchObject({ exitCode: 0, reason: 'none' });
});

test.each(['pause', 'stop'] as const)('nothing is started while the lease is out: %s', async (policy) => {
  const node = await Node.open();
  node.lease(-1000, policy);
  node.sh('job', 'echo ran');
  expect(await node.refused('job')).toMatchObject({ stage: 'lease' });
  expect(node.text('job.out')).toBe('');
  node.shepherd.acknowledge(['job'], { removeOutput: true });
  node.lease(hour, policy);
  node.sh('job', 'echo ran');
  expect((await node.ended('job')).output?.out.toString()).toBe('ran\n');
});

describe('a job that is suspended', () => {
  test('stays stopped when its user resumes it, until the lease is back', async () => {
    const node = await Node.open();
    const pids = await tree(node);
    node.shepherd.pause('job');
    await until('paused', () => allStopped(pids));
    await node.leased(-1000, 'pause');
    node.shepherd.resume('job');
    await node.leased(-1000, 'pause');
    expect(allStopped(pids)).toBe(true);
    await node.leased(hour, 'pause');
    expect(noneStopped(pids)).toBe(true);
  });

  test('stays stopped after that, if its user has paused it before or meanwhile', async () => {
    const node = await Node.open();
    const pids = await tree(node);
    node.lease(-1000, 'pause');
    await until('suspended', () => allStopped(pids));
    node.shepherd.pause('job');
    await node.leased(hour, 'pause');
    expect(allStopped(pids)).toBe(true);
    await node.leased(-1000, 'pause');
    await node.leased(hour, 'pause');
    expect(allStopped(pids)).toBe(true);
    node.shepherd.resume('job');
    await node.leased(hour, 'pause');
    expect(noneStopped(pids)).toBe(true);
  });

  test('can be ended, at once or with a grace', async () => {
    const node = await Node.open();
    const script = (name: string) => `trap "exit 6" TERM; echo ready > ${name}; while :; do :; done`;
    for (const key of ['hard', 'soft']) node.sh(key, script(key));
    for (const key of ['hard', 'soft']) await node.line(key);
    const pids = [(await node.started('hard')).pid, (await node.started('soft')).pid];
    node.lease(-1000, 'pause');
    await until('suspended', () => allStopped(pids));
    node.shepherd.end('hard', 'fenced', 0);
    expect(await node.ended('hard')).toMatchObject({ signal: SIGKILL, reason: 'fenced' });
    node.shepherd.end('soft', 'cancel', hour);
    expect(await node.ended('soft')).toMatchObject({ exitCode: 6, reason: 'cancel' });
  });

  test('is ended when the policy becomes `stop`, and goes on when it becomes `finish`', async () => {
    const node = await Node.open();
    const pids = await tree(node);
    node.lease(-1000, 'pause');
    await until('suspended', () => allStopped(pids));
    await node.leased(-1000, 'finish');
    expect(noneStopped(pids)).toBe(true);
    expect(node.shepherd.suspended).toBe(false);
    node.lease(-1000, 'pause');
    await until('suspended again', () => allStopped(pids));
    node.lease(-1000, 'stop');
    expect(await node.ended('job')).toMatchObject({ signal: SIGKILL, reason: 'lease' });
    await node.nothingLeft();
  });

  test.each(['SIGKILL', 'SIGTERM'] as const)('does not outlive a shepherd that ends by %s', async (signal) => {
    const node = await Node.open();
    const pids = await tree(node);
    node.sh('paused', 'sleep 1000 & echo $! > paused.pid; wait');
    pids.push((await node.started('paused')).pid, Number(await node.line('paused.pid')));
    node.shepherd.pause('paused');
    node.lease(-1000, 'pause');
    await until('suspended', () => allStopped(pids));
    process.kill(node.shepherd.pid, signal);
    await until('closed', () => node.closed);
    await node.connect();
    expect(pids.some(isAlive)).toBe(false);
    for (const key of ['job', 'paused']) expect(await node.ended(key)).toMatchObject({ lost: true });
    expect(node.shepherd.suspended).toBe(false);
    await node.nothingLeft();
  });
});

describe('a shepherd that stood still past the end of the lease', () => {
  test('suspends before it reads what was asked meanwhile, and believes no lease that is over', async () => {
    const node = await Node.open();
    const pids = await tree(node);
    await node.leased(700, 'pause');
    process.kill(node.shepherd.pid, 'SIGSTOP');
    await until('it stands still', () => stateOf(node.shepherd.pid) === 'T');
    node.lease(800, 'pause');
    node.sh('late', 'echo ran');
    await passes(1);
    expect(node.shepherd.silentMs).toBeGreaterThan(900);
    expect(noneStopped(pids)).toBe(true);
    process.kill(node.shepherd.pid, 'SIGCONT');
    expect(await node.refused('late')).toMatchObject({ stage: 'lease' });
    expect(node.shepherd.suspended).toBe(true);
    expect(node.shepherd.silentMs).toBe(0);
    await until('all stopped', () => allStopped(pids));
  });

  test('ends the jobs with `stop`, though a new lease waits already', async () => {
    const node = await Node.open();
    await tree(node);
    await node.leased(700, 'stop');
    process.kill(node.shepherd.pid, 'SIGSTOP');
    await until('it stands still', () => stateOf(node.shepherd.pid) === 'T');
    await passes(0.8);
    node.lease(hour, 'stop');
    process.kill(node.shepherd.pid, 'SIGCONT');
    expect(await node.ended('job')).toMatchObject({ signal: SIGKILL, reason: 'lease' });
    expect(node.shepherd.suspended).toBe(false);
  });
});
