import { closeSync, existsSync, linkSync, openSync, readdirSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Node, until } from './kit.ts';

/** Runs a job and lets the shepherd forget it and its files. @returns the file its output was in */
async function run(node: Node, key: string, script: string): Promise<{ inode: number; out: string | undefined }> {
  node.sh(key, script);
  const ended = await node.ended(key);
  const inode = statSync(node.path(`${key}.out`)).ino;
  return { inode, out: ended.output?.out.toString() };
}

async function forget(node: Node, key: string): Promise<void> {
  node.shepherd.acknowledge([key], { removeOutput: true });
  await node.leased(60_000, 'pause');
  expect(existsSync(node.path(`${key}.out`))).toBe(false);
  expect(existsSync(node.path(`${key}.err`))).toBe(false);
}

/** A job that lives for as long as the test does, so that files are kept. */
async function keep(node: Node): Promise<void> {
  node.sh('keep', 'sleep 1000');
  await node.started('keep');
}

test('a file is used again, and is empty then', async () => {
  const node = await Node.open();
  await keep(node);
  const first = await run(node, 'a', 'echo of the first; echo of the first >&2');
  expect(first.out).toBe('of the first\n');
  await forget(node, 'a');
  expect(readdirSync(join(node.stateDir, 'spare'))).toHaveLength(2);
  const second = await run(node, 'b', 'echo of the second');
  expect(second.out).toBe('of the second\n');
  expect((await node.ended('b')).output?.err.toString()).toBe('');
  expect(readdirSync(join(node.stateDir, 'spare'))).toHaveLength(0);
  await forget(node, 'b');
  // Either of the two may come first.
  expect((await run(node, 'c', 'true')).inode).toBeGreaterThan(0);
});

test('one that others can still write to is not', async () => {
  const node = await Node.open();
  await keep(node);
  const { inode } = await run(node, 'a', 'echo a');
  const file = openSync(node.path('a.out'), 'a');
  try {
    await forget(node, 'a');
    // That of its error output only.
    expect(readdirSync(join(node.stateDir, 'spare'))).toHaveLength(1);
    node.sh('b', 'echo b; while [ ! -e go ]; do sleep 0.01; done');
    await node.line('b.out');
    writeSync(file, 'from outside\n');
    node.sh('go', 'echo > go');
    expect((await node.ended('b')).output?.out.toString()).toBe('b\n');
    expect(statSync(node.path('b.out')).ino).not.toBe(inode);
    expect(statSync(node.path('b.err')).ino).not.toBe(inode);
  } finally {
    closeSync(file);
  }
});

test('one with another name, or other rights, is not', async () => {
  const node = await Node.open();
  await keep(node);
  await run(node, 'a', 'echo a; chmod 666 a.err');
  linkSync(node.path('a.out'), node.path('kept'));
  await forget(node, 'a');
  expect(readdirSync(join(node.stateDir, 'spare'))).toHaveLength(0);
  expect(node.text('kept')).toBe('a\n');
});

test('what stands at the path of an output stays there', async () => {
  const node = await Node.open();
  await keep(node);
  await run(node, 'a', 'true');
  await forget(node, 'a');
  node.sh('write', 'echo before > b.out');
  await node.ended('write');
  expect((await run(node, 'b', 'echo after')).out).toBe('before\nafter\n');
});

test('none is kept where no job has run for a while, or the shepherd was killed', async () => {
  const node = await Node.open();
  await run(node, 'a', 'true');
  await forget(node, 'a');
  await until('no file is kept', () => readdirSync(join(node.stateDir, 'spare')).length === 0);

  await keep(node);
  await run(node, 'b', 'true');
  await forget(node, 'b');
  expect(readdirSync(join(node.stateDir, 'spare'))).toHaveLength(2);
  process.kill(node.shepherd.pid, 'SIGKILL');
  await until('the connection is gone', () => node.closed);
  await node.connect();
  expect(readdirSync(join(node.stateDir, 'spare'))).toHaveLength(0);
});
