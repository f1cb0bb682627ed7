import { execa } from 'execa';
import { expect, test } from 'vitest';

import { root } from '../kit/home.ts';

const bench = async (...args: string[]) =>
  execa(process.execPath, ['test/bench/run.mjs', ...args], { cwd: root, reject: false });

test('every question of the bench can be asked, in its short form', { timeout: 300_000 }, async () => {
  const { stdout: list } = await bench('--list');
  const names = list.split('\n');
  // Most of the time they wait for something to start or to end, so several are asked at a time.
  const runs = await Promise.all(
    [0, 1, 2, 3].map(async (lane) => bench('--short', ...names.filter((_, at) => at % 4 === lane))),
  );
  for (const { stdout, stderr, exitCode } of runs) {
    expect(stdout, stderr).toMatch(/(all|not) reached$/);
    expect(exitCode).toBeLessThan(2);
  }
  const asked = runs.flatMap(({ stdout }) => stdout.split('\n').filter((line) => /^\S.*, against /.test(line)));
  expect(asked.length).toBe(names.length);
});
