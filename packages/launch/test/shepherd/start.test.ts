import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { bytesFromBuffer, bytesOf } from '@omx/core';
import type { Bytes } from '@omx/core';
import { describe, expect, test } from 'vitest';
import { Node, until } from './kit.ts';

describe('a program that ends', () => {
  test('gives its exit code, times, usage and output', async () => {
    const node = await Node.open();
    const before = Date.now();
    node.sh('job', 'echo out; echo err >&2; exit 7');
    const started = await node.started('job');
    const ended = await node.ended('job');
    expect(ended).toMatchObject({ pid: started.pid, startedAt: started.startedAt, exitCode: 7, reason: 'none' });
    expect(ended).toMatchObject({ oomKilled: false, truncated: false, outBytes: 4, errBytes: 4 });
    expect(ended.signal).toBeUndefined();
    expect(ended.lost).toBeUndefined();
    expect(ended.output?.out.toString()).toBe('out\n');
    expect(ended.output?.err.toString()).toBe('err\n');
    expect(ended.startedAt).toBeGreaterThan(before - 1000);
    expect(ended.endedAt).toBeGreaterThan(ended.startedAt);
    expect(ended.usage.maxRssKib).toBeGreaterThan(100);
  });

  test('gives the signal that ended it', async () => {
    const node = await Node.open();
    node.sh('job', 'kill -SEGV $$');
    const ended = await node.ended('job');
    expect(ended.signal).toBe(constants.signals.SIGSEGV);
    expect(ended.exitCode).toBeUndefined();
  });

  test('is charged for the processor time of its whole tree', async () => {
    const node = await Node.open();
    const spin = 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done';
    node.sh('job', `sh -c '${spin}' & sh -c '${spin}'; wait`);
    node.sh('orphan', `(setsid sh -c '${spin}; echo done > spun' &) ; while [ ! -s spun ]; do sleep 0.01; done`);
    const [tree, orphan] = [await node.ended('job'), await node.ended('orphan')];
    expect(tree.usage.userUs).toBeGreaterThan(20_000);
    expect(orphan.usage.userUs).toBeGreaterThan(10_000);
  });

  test('keeps output that is too large for the event in its file', async () => {
    const node = await Node.open();
    node.sh('job', 'head -c 70000 /dev/zero');
    const ended = await node.ended('job');
    expect(ended.outBytes).toBe(70_000);
    expect(ended.output).toBeUndefined();
    expect(node.text('job.out').length).toBe(70_000);
  });
});

describe('a program finds itself', () => {
  test('in the directory, with the mask, input, environment, and signals of a fresh login', async () => {
    const node = await Node.open();
    mkdirSync(node.path('work'));
    writeFileSync(node.path('work/input'), 'from a file\n');
    const script = 'pwd; umask; cat; echo $COLOUR $SIZE; grep -E "^Sig(Blk|Ign)" /proc/self/status; ls /proc/self/fd';
    node.sh('job', script, {
      cwd: bytesOf(node.path('work')),
      umask: 0o027,
      stdin: bytesOf('input'),
      extraEnv: [bytesOf('COLOUR=red'), bytesOf('SIZE=9')],
    });
    const lines = (await node.ended('job')).output?.out.toString().trim().split('\n');
    expect(lines).toEqual([
      node.path('work'),
      '0027',
      'from a file',
      'red 9',
      'SigBlk:\t0000000000000000',
      'SigIgn:\t0000000000000000',
      '0',
      '1',
      '2',
      '3',
    ]);
  });

  test('leading its own session, and named by a token of its own', async () => {
    const node = await Node.open();
    for (const key of ['one', 'two']) node.sh(key, 'cut -d" " -f1,6 /proc/$$/stat; echo $OMX_TOKEN');
    const [one, two] = [await node.ended('one'), await node.ended('two')].map((ended) => {
      const [ids, token] = ended.output?.out.toString().trim().split('\n') ?? [];
      expect(ids).toBe(`${ended.pid} ${ended.pid}`);
      return token;
    });
    expect(one).toMatch(/^[0-9a-f]{32}$/);
    expect(two).not.toBe(one);
  });

  test('with byte-exact arguments', async () => {
    const node = await Node.open();
    const odd = [bytesOf(''), bytesOf('a\nb'), bytesFromBuffer(Buffer.from([0xff, 0xfe, 0x80])), bytesOf('\'"\\ $x é')];
    node.start('job', [], { argv: [...['/bin/sh', '-c', 'cat /proc/$$/cmdline', 'sh'].map(bytesOf), ...odd] });
    const out = (await node.ended('job')).output?.out.toString('latin1');
    expect(out?.split('\0').slice(4)).toEqual([...odd, '']);
  });

  test('by its own PATH, from its own directory', async () => {
    const node = await Node.open();
    mkdirSync(node.path('bin'));
    writeFileSync(node.path('bin/greet'), '#!/bin/sh\necho hello\n', { mode: 0o755 });
    node.start('relative', ['greet'], { extraEnv: [bytesOf('PATH=/nowhere:bin')] });
    node.start('here', ['greet'], { extraEnv: [bytesOf('PATH=')], cwd: bytesOf(node.path('bin')) });
    expect((await node.ended('relative')).output?.out.toString()).toBe('hello\n');
    expect((await node.ended('here')).output?.out.toString()).toBe('hello\n');
  });

  test('appending to output that is already there', async () => {
    const node = await Node.open();
    writeFileSync(node.path('job.out'), 'before\n');
    node.sh('job', 'echo after');
    expect((await node.ended('job')).output?.out.toString()).toBe('before\nafter\n');
  });
});

describe('a program that cannot be started', () => {
  const cases: [
    string,
    string,
    string,
    (node: Node) => { argv?: string[]; cwd?: Bytes; stdin?: Bytes; stdout?: Bytes },
  ][] = [
    ['no such file', 'exec', 'ENOENT', () => ({ argv: ['/no/such/program'] })],
    ['nowhere in PATH', 'exec', 'ENOENT', () => ({ argv: ['no-such-program'] })],
    ['an empty name', 'exec', 'ENOENT', () => ({ argv: [''] })],
    ['no name at all', 'exec', 'ENOENT', () => ({ argv: [] })],
    ['not executable', 'exec', 'EACCES', (node) => ({ argv: [node.path('plain')] })],
    ['not a program', 'exec', 'ENOEXEC', (node) => ({ argv: [node.path('nonsense')] })],
    ['a NUL in an argument', 'exec', 'EINVAL', () => ({ argv: ['echo', 'a\0b'] })],
    ['arguments beyond the limit', 'exec', 'E2BIG', () => ({ argv: ['echo', 'x'.repeat(300_000)] })],
    ['no such directory', 'cwd', 'ENOENT', () => ({ cwd: bytesOf('/no/such/directory') })],
    ['a file as directory', 'cwd', 'ENOTDIR', (node) => ({ cwd: bytesOf(node.path('plain')) })],
    ['no such input', 'stdin', 'ENOENT', () => ({ stdin: bytesOf('missing') })],
    ['no room for output', 'output', 'ENOENT', () => ({ stdout: bytesOf('/no/such/directory/out') })],
  ];
  test.each(cases)('%s: refused at %s with %s', async (_, stage, errno, build) => {
    const node = await Node.open();
    writeFileSync(node.path('plain'), 'echo no');
    writeFileSync(node.path('nonsense'), 'echo no');
    chmodSync(node.path('nonsense'), 0o755);
    const { argv = ['/bin/true'], ...more } = build(node);
    node.start('job', argv, more);
    expect(await node.refused('job')).toMatchObject({ stage, errno });
    expect(node.text('job.out')).toBe('');
    node.start('next', ['/bin/true']);
    expect(await node.ended('next')).toMatchObject({ exitCode: 0 });
  });

  test('for want of descriptors is refused and can be started later', async () => {
    const node = await Node.open();
    const limit = (files: string) => execFileSync('prlimit', [`--pid=${node.shepherd.pid}`, `--nofile=${files}`]);
    limit('5:1000');
    node.sh('job', 'true');
    expect(await node.refused('job')).toMatchObject({ stage: 'output', errno: 'EMFILE' });
    limit('1000:1000');
    node.shepherd.acknowledge(['job'], { removeOutput: true });
    node.sh('job', 'echo again');
    expect((await node.ended('job')).output?.out.toString()).toBe('again\n');
  });

  test('an environment that was not defined is the caller’s mistake', async () => {
    const node = await Node.open();
    expect(() => node.start('job', ['true'], { environment: 'other' })).toThrow(/not defined/);
  });
});

test('a request that is repeated starts nothing twice', async () => {
  const node = await Node.open();
  node.sh('job', 'echo run');
  node.sh('job', 'echo run');
  await node.ended('job');
  node.events = [];
  node.sh('job', 'echo run');
  expect((await node.ended('job')).output?.out.toString()).toBe('run\n');
});

test('two thousand quick jobs, each with one end, and nothing kept', { timeout: 60_000 }, async () => {
  const node = await Node.open();
  const keys = Array.from({ length: 2000 }, (_, i) => `q${i}`);
  node.shepherd.start(keys.map((key) => node.request(key, ['/bin/true'])));
  await until('all ended', () => node.events.length >= 4000, 60_000);
  const ended = node.events.filter((event) => event.type === 'ended');
  expect(new Set(ended.map((event) => event.key)).size).toBe(2000);
  expect(ended.every((event) => event.exitCode === 0)).toBe(true);
  expect(ended.length).toBe(2000);
  node.shepherd.acknowledge(keys, { removeOutput: true });
  node.shepherd.close();
  await node.connect();
  expect(node.shepherd.hello.running).toEqual([]);
  expect(node.events).toEqual([]);
  await node.nothingLeft();
});
