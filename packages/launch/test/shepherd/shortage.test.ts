import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { bytesOf } from '@omx/core';
import { describe, expect, test } from 'vitest';

import { skipUnless } from '../../../../test/kit/needs.ts';
import { Node, until } from './kit.ts';

const keys = Array.from({ length: 40 }, (_, at) => `j${at}`);
const kibibyte = 1024;

/** A job that waits for `go`, and a row of others behind it, each of which prints its key and leaves a trace. */
async function row(node: Node, folder = node.dir): Promise<void> {
  node.sh('lead', 'while [ ! -e go ]; do sleep 0.01; done');
  await node.started('lead');
  let after = 'lead';
  for (const key of keys) {
    runs(node, key, folder, after);
    after = key;
  }
}

function runs(node: Node, key: string, folder: string, after?: string): void {
  node.sh(key, `echo ${key}; echo ${key} >> ran`, {
    stdout: bytesOf(`${folder}/${key}.out`),
    stderr: bytesOf(`${folder}/${key}.err`),
    ...(after === undefined ? {} : { after }),
  });
}

/** Each is refused for the want of it, and none has run; then there is enough, and all that is asked for again ends well. */
async function holds(
  node: Node,
  refusal: { stage: string; errno: string },
  enough: () => void,
  folder = node.dir,
): Promise<void> {
  writeFileSync(node.path('go'), '');
  await node.ended('lead');
  for (const key of keys) expect(await node.refused(key)).toMatchObject(refusal);
  expect(node.text('ran')).toBe('');
  expect(readdirSync(folder).filter((name) => /^j\d+\./.test(name))).toEqual([]);
  enough();
  node.shepherd.acknowledge(keys, { removeOutput: true });
  for (const [at, key] of keys.entries()) runs(node, key, folder, at === 0 ? undefined : keys[at - 1]);
  for (const key of keys) {
    const { exitCode, output } = await node.ended(key);
    expect({ exitCode, out: output?.out.toString() }).toEqual({ exitCode: 0, out: `${key}\n` });
  }
  expect(node.text('ran')).toBe(keys.map((key) => `${key}\n`).join(''));
}

describe('a row of jobs is refused as a whole, and nothing is lost,', () => {
  test('where there are no descriptors', async () => {
    const node = await Node.open();
    const limit = (files: string) => execFileSync('prlimit', [`--pid=${node.shepherd.pid}`, `--nofile=${files}`]);
    await row(node);
    limit('5:1000');
    await holds(node, { stage: 'output', errno: 'EMFILE' }, () => limit('1000:1000'));
  });

  test('where the disk has no room for what they may print', skipUnless('root'), async () => {
    const node = await Node.open();
    const folder = node.path('small');
    mkdirSync(folder);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'omx-test', folder]);
    try {
      await row(node, folder);
      // What is left would hold one short output after another, and not what all may come to.
      writeFileSync(`${folder}/filler`, Buffer.alloc(512 * kibibyte - 40 * kibibyte));
      await holds(node, { stage: 'output', errno: 'ENOSPC' }, () => rmSync(`${folder}/filler`), folder);
    } finally {
      execFileSync('umount', ['-l', folder]);
    }
  });
});

test('a journal full of what is over gives the room back that jobs lack', skipUnless('root'), async () => {
  const node = await Node.open();
  await node.shepherd.quit({ force: true });
  const stateDir = node.path('small');
  mkdirSync(stateDir);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'omx-test', stateDir]);
  try {
    await node.connect({ stateDir });
    const journal = (): number => statSync(`${stateDir}/journal`).size;
    const left = (): number => statfsSync(stateDir).bavail * statfsSync(stateDir).bsize;
    for (let round = 0; left() > 100 * kibibyte; round += 1) {
      const some = Array.from(
        { length: 100 },
        (_, at) => `round-${round}-with-a-rather-long-name-${'x'.repeat(200)}-${at}`,
      );
      const nowhere = { stdout: bytesOf('/dev/null'), stderr: bytesOf('/dev/null') };
      node.shepherd.start(some.map((key) => node.request(key, ['/bin/true'], nowhere)));
      for (const key of some) await node.ended(key);
      node.shepherd.acknowledge(some, { removeOutput: true });
      await node.leased(60_000, 'pause');
    }
    writeFileSync(`${stateDir}/filler`, Buffer.alloc(left() - 40 * kibibyte));
    expect(journal()).toBeGreaterThan(200 * kibibyte);
    runs(node, 'first', stateDir);
    expect(await node.refused('first')).toMatchObject({ stage: 'output', errno: 'ENOSPC' });
    expect(journal()).toBeLessThan(20 * kibibyte);
    runs(node, 'second', stateDir);
    expect((await node.ended('second')).output?.out.toString()).toBe('second\n');
    await node.shepherd.quit({ force: true });
    await until('the folder is free', () => node.closed);
  } finally {
    execFileSync('umount', ['-l', stateDir]);
  }
});
