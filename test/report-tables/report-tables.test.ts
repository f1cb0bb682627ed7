import { execa } from 'execa';
import { expect, test } from 'vitest';

import { root } from '../kit/home.ts';

test('three imitated nodes are faster than one, in the short form', { timeout: 600_000 }, async (ctx) => {
  const { stdout, exitCode } = await execa(process.execPath, ['test/report-tables/run.mjs', '--short'], {
    cwd: root,
    reject: false,
    all: true,
  });
  // What is missing is seen where the quotas are made.
  if (exitCode === 77) ctx.skip(stdout.replace(/^skipped: /, ''));
  expect(stdout).toMatch(/^\(B\) three slow ones( +\d+m\d+\.\d{3}s){3} /m);
  expect({ exitCode, stdout }).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/\nall reached$/) });
});
