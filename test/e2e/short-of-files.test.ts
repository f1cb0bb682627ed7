import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';

import { shepherdPid, startNode, submit } from '../kit/batches.ts';
import { useHome } from '../kit/home.ts';
import { allWell, givenBack, linesFrom, succeeded } from '../kit/shortage.ts';
import { until } from '../kit/until.ts';

const home = useHome();
const count = 3000;

/** How many descriptors a process has while nothing goes on. */
function descriptors(pid: number | undefined): number {
  return Math.max(...readdirSync(`/proc/${pid}/fd`).map(Number)) + 1;
}

/** Lets a process have no more descriptors than that. @returns gives the others back */
function starve(pid: number | undefined, most: number): () => void {
  const limit = (soft: number): Buffer => execFileSync('prlimit', ['--pid', String(pid), `--nofile=${soft}:`]);
  const before = Number(execFileSync('prlimit', ['--pid', String(pid), '--nofile', '-o', 'SOFT', '--noheadings']));
  limit(most);
  return () => void limit(before);
}

test('short jobs wait while the shepherd can open no file', async () => {
  const node = await startNode(home);
  const shepherd = shepherdPid(home, 'n1');
  const idle = descriptors(shepherd);
  const id = await submit(home, ['--array', `1-${count}`, '--', '/bin/echo', '{}']);
  await until(async () => (await succeeded(home, id)) >= 300);
  const enough = starve(shepherd, idle);
  await until(() => givenBack(node) > 0);
  const before = await succeeded(home, id);
  // A second go is in vain, too.
  const first = givenBack(node);
  await until(() => givenBack(node) > first);
  expect(await succeeded(home, id)).toBeLessThan(before + 100);
  expect(before).toBeLessThan(count);
  enough();
  await allWell(home, id, linesFrom(1, count));
  // Those that were with the shepherd, twice; what was claimed beyond them has waited.
  expect(givenBack(node)).toBeLessThan(4 * 33);
});
