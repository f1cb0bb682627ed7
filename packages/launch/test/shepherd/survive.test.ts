import { appendFileSync, existsSync, readFileSync, readdirSync, truncateSync, statSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { constants } from 'node:os';
import { bytesOf, isOmxError } from '@omx/core';
import { describe, expect, test } from 'vitest';
import { Shepherd, shepherdBinary } from '../../src/shepherd/index.ts';
import { isAlive, Node, until } from './kit.ts';

const { SIGKILL } = constants.signals;
const nullDevice = bytesOf('/dev/null');

describe('a new worker', () => {
  test('finds the running jobs and hears of their end', async () => {
    const node = await Node.open();
    node.sh('job', 'while [ ! -e go ]; do sleep 0.01; done; exit 3');
    node.sh('paused', 'exec sleep 1000');
    const [{ pid, startedAt }, paused] = [await node.started('job'), await node.started('paused')];
    node.shepherd.pause('paused');
    node.shepherd.close();
    await node.connect();
    expect(node.shepherd.hello.running).toEqual([
      { key: 'job', pid, startedAt, paused: false },
      { key: 'paused', pid: paused.pid, startedAt: paused.startedAt, paused: true },
    ]);
    node.sh('go', 'touch go');
    expect(await node.ended('job')).toMatchObject({ pid, startedAt, exitCode: 3 });
  });

  test('hears what the one before has not acknowledged, also what happened in between', async () => {
    const node = await Node.open();
    node.sh('seen', 'echo seen');
    node.start('bad', ['/no/such']);
    node.sh('later', 'echo yes > running; while [ ! -e go ]; do sleep 0.01; done; echo later');
    node.sh('acked', 'true');
    for (const key of ['seen', 'acked']) await node.ended(key);
    await node.line('running');
    node.shepherd.acknowledge(['acked'], { removeOutput: false });
    const { pid } = await node.started('later');
    node.shepherd.close();
    appendFileSync(node.path('go'), '');
    await until('ended unseen', () => !isAlive(pid));
    await node.connect();
    expect((await node.ended('seen')).output?.out.toString()).toBe('seen\n');
    expect((await node.ended('later')).output?.out.toString()).toBe('later\n');
    expect(await node.refused('bad')).toMatchObject({ errno: 'ENOENT' });
    expect(node.find('ended', 'acked')).toBeUndefined();
    expect(node.find('started', 'seen')).toBeUndefined();
  });

  test('takes the place of the older one', async () => {
    const node = await Node.open();
    const newer = await Shepherd.open({ stateDir: node.stateDir });
    const closed = await until('closed', () => node.closed);
    expect(closed.error).toMatchObject({ code: 'SHEPHERD_REPLACED' });
    expect(newer.pid).toBe(node.shepherd.pid);
    newer.close();
  });
});

describe('the death of the shepherd', () => {
  test('takes the jobs along; the next one kills the rest and reports them lost', async () => {
    const node = await Node.open();
    node.sh('done', 'echo done; exit 2');
    await node.ended('done');
    node.sh('job', `(setsid sh -c 'echo $$ > daemon.pid; exec sleep 1000' &); echo some; exec sleep 1000`);
    const { pid, startedAt } = await node.started('job');
    const daemon = Number(await node.line('daemon.pid'));
    await until('output', () => node.text('job.out') !== '');
    process.kill(node.shepherd.pid, 'SIGKILL');
    expect((await until('closed', () => node.closed)).error).toMatchObject({ code: 'SHEPHERD_LOST' });
    await until('the main process is dead', () => !isAlive(pid));
    expect(isAlive(daemon)).toBe(true);

    await node.connect();
    expect(isAlive(daemon)).toBe(false);
    expect(node.shepherd.hello.running).toEqual([]);
    const lost = await node.ended('job');
    expect(lost).toMatchObject({ lost: true, pid, startedAt, signal: SIGKILL, reason: 'none' });
    expect(lost.output?.out.toString()).toBe('some\n');
    const done = await node.ended('done');
    expect(done).toMatchObject({ exitCode: 2 });
    expect(done.lost).toBeUndefined();
    expect(done.output?.out.toString()).toBe('done\n');
    await node.nothingLeft();

    node.shepherd.acknowledge(['job', 'done'], { removeOutput: true });
    await node.shepherd.quit({ force: false });
    await node.connect();
    expect(node.events).toEqual([]);
  });

  test('by SIGTERM kills everything at once, and the jobs count as lost', async () => {
    const node = await Node.open();
    node.sh('job', `(setsid sh -c 'echo $$ > daemon.pid; exec sleep 1000' &); exec sleep 1000`);
    await node.line('daemon.pid');
    process.kill(node.shepherd.pid, 'SIGTERM');
    await until('closed', () => node.closed);
    await node.nothingLeft();
    await node.connect();
    expect(await node.ended('job')).toMatchObject({ lost: true });
  });

  test('in the middle of a record loses that record alone', async () => {
    const node = await Node.open();
    node.sh('first', 'exit 1');
    await node.ended('first');
    node.sh('second', 'exit 2');
    await node.ended('second');
    process.kill(node.shepherd.pid, 'SIGKILL');
    await until('closed', () => node.closed);
    const journal = `${node.stateDir}/journal`;
    truncateSync(journal, statSync(journal).size - 5);
    await node.connect();
    expect(await node.ended('first')).toMatchObject({ exitCode: 1 });
    // Its end was torn off: it started, and how it ended nobody knows.
    expect(await node.ended('second')).toMatchObject({ lost: true });

    process.kill(node.shepherd.pid, 'SIGKILL');
    await until('closed', () => node.closed);
    appendFileSync(journal, Buffer.from([0x20, 0, 0, 0, 1, 2, 3]));
    await node.connect();
    expect(await node.ended('first')).toMatchObject({ exitCode: 1 });
    node.sh('third', 'exit 3');
    expect(await node.ended('third')).toMatchObject({ exitCode: 3 });
  });
});

test('hangup, interrupt and a broken pipe do not end the shepherd', async () => {
  const node = await Node.open();
  for (const signal of ['SIGHUP', 'SIGINT', 'SIGPIPE'] as const) process.kill(node.shepherd.pid, signal);
  node.sh('job', 'true');
  expect(await node.ended('job')).toMatchObject({ exitCode: 0 });
  expect(node.closed).toBeUndefined();
});

test('an acknowledgement removes the output files on request', async () => {
  const node = await Node.open();
  for (const key of ['keep', 'drop']) node.sh(key, 'echo x; echo y >&2');
  for (const key of ['keep', 'drop']) await node.ended(key);
  node.shepherd.acknowledge(['keep'], { removeOutput: false });
  node.shepherd.acknowledge(['drop'], { removeOutput: true });
  await until('removed', () => !existsSync(node.path('drop.out')) && !existsSync(node.path('drop.err')));
  expect(node.text('keep.out')).toBe('x\n');
});

test('the journal is written anew when most of it is acknowledged', { timeout: 60_000 }, async () => {
  const node = await Node.open();
  node.sh('kept', 'exit 9');
  await node.ended('kept');
  node.events = [];
  for (let round = 0; round < 5; round++) {
    const keys = Array.from({ length: 1000 }, (_, i) => `round-${round}-with-a-rather-long-name-${i}`);
    node.shepherd.start(
      keys.map((key) => node.request(key, ['/bin/true'], { stdout: nullDevice, stderr: nullDevice })),
    );
    await until('all ended', () => node.events.filter((event) => event.type === 'ended').length >= 1000, 60_000);
    node.shepherd.acknowledge(keys, { removeOutput: true });
    node.events = [];
  }
  // Requests are carried out in order: when this one has ended, all acknowledgements are in the journal.
  node.sh('last', 'true');
  await node.ended('last');
  await until('a small journal', () => statSync(`${node.stateDir}/journal`).size < 1_000_000);
  expect(existsSync('/dev/null')).toBe(true);
  process.kill(node.shepherd.pid, 'SIGKILL');
  await until('closed', () => node.closed);
  await node.connect();
  expect(await node.ended('kept')).toMatchObject({ exitCode: 9 });
  expect(node.events.map((event) => event.key)).toEqual(['kept', 'last']);
});

describe('quit', () => {
  test('is refused while a job runs, unless it is forced', async () => {
    const node = await Node.open();
    node.sh('job', 'trap "" TERM; echo ready > ready; while :; do sleep 0.01; done');
    await node.line('ready');
    await expect(node.shepherd.quit({ force: false })).rejects.toMatchObject({ code: 'SHEPHERD_BUSY' });
    await node.shepherd.quit({ force: true });
    expect(isAlive(node.shepherd.pid)).toBe(false);
    expect(await node.ended('job')).toMatchObject({ signal: SIGKILL, reason: 'requeue' });
    expect(node.closed).toEqual({});
    await node.nothingLeft();
    expect(readdirSync(node.stateDir).sort()).toEqual(['journal', 'shepherd.lock', 'shepherd.log']);
  });
});

describe('one shepherd a folder', () => {
  test('a second one ends at once', async () => {
    const node = await Node.open();
    const second = spawn(shepherdBinary(), [node.stateDir], { stdio: 'ignore' });
    expect(await once(second, 'exit')).toEqual([75, null]);
    expect(readFileSync(`${node.stateDir}/shepherd.lock`, 'utf8')).toBe(`${node.shepherd.pid}\n`);
  });

  test('workers that open at the same time meet the same one', async () => {
    const node = await Node.open();
    await node.shepherd.quit({ force: true });
    const all = await Promise.all([1, 2, 3, 4].map(() => Shepherd.open({ stateDir: node.stateDir })));
    expect(new Set(all.map((shepherd) => shepherd.pid)).size).toBe(1);
    for (const shepherd of all) shepherd.close();
  });
});

test('alone and without work for ten seconds, it ends', { timeout: 20_000 }, async () => {
  const node = await Node.open();
  const { pid } = node.shepherd;
  node.sh('job', 'exit 8');
  await node.ended('job');
  node.shepherd.close();
  const left = Date.now();
  await until('ended', () => !isAlive(pid), 15_000);
  expect(Date.now() - left).toBeGreaterThan(9_000);
  await node.connect();
  expect(await node.ended('job')).toMatchObject({ exitCode: 8 });
});

test('a shepherd of another version is told from a broken one', async () => {
  const node = await Node.open();
  // Its hello says version 2, process 7, and nothing that this version would look for.
  const hello = Buffer.from([17, 0, 0, 0, 64, 2, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  const server = createServer((socket) => void socket.end(hello)).listen(node.path('old.sock'));
  await once(server, 'listening');
  const opening = Shepherd.open({ stateDir: node.path('old'), socketPath: node.path('old.sock') });
  await expect(opening).rejects.toMatchObject({
    code: 'SHEPHERD_VERSION',
    message: expect.stringMatching(/version 2/),
  });
  server.close();
});

test('errors say what to do', async () => {
  const node = await Node.open();
  const long = Shepherd.open({ stateDir: node.path('x'.repeat(100)) });
  await expect(long).rejects.toMatchObject({ code: 'SOCKET_PATH_TOO_LONG' });
  const elsewhere = await Shepherd.open({ stateDir: node.path('y'.repeat(100)), socketPath: node.path('s.sock') });
  await elsewhere.quit({ force: true });
  const broken = Shepherd.open({ stateDir: node.path('z'), binary: '/bin/false' });
  await expect(broken).rejects.toSatisfy((error) => isOmxError(error) && error.code === 'SHEPHERD_UNREACHABLE');
  process.env['OMX_SHEPHERD'] = '/no/such/shepherd';
  try {
    expect(() => shepherdBinary()).toThrow(expect.objectContaining({ code: 'SHEPHERD_MISSING' }));
  } finally {
    delete process.env['OMX_SHEPHERD'];
  }
});
