import { execa } from 'execa';
import { expect, test } from 'vitest';

import { root } from '../kit/home.ts';

test('every question of the bench can be asked, in its short form', { timeout: 300_000 }, async () => {
  const { stdout, exitCode } = await execa(process.execPath, ['test/bench/run.mjs', '--short'], {
    cwd: root,
    reject: false,
  });
  const answers = stdout.split('\n').filter((line) => line.startsWith('  '));
  expect(answers.length, stdout).toBeGreaterThanOrEqual(40);
  expect(stdout).toMatch(/(all|not) reached$/);
  expect(exitCode).toBeLessThan(2);
});
