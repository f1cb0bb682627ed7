import { bytesOf } from '@omx/core';
import { expect, test } from 'vitest';

import { capsuleShape, criuLauncher } from '../../src/criu/index.ts';

test('a job in a capsule reads and writes where one without does, but keeps its files in its folder', () => {
  const { mount } = capsuleShape();
  const plan = criuLauncher.plan({
    ...{
      argv: ['sort', '-n'].map(bytesOf),
      cwd: bytesOf('/work'),
      stdin: bytesOf('in'),
      folder: '/nodes/n1/jobs/b1/1.1',
    },
  });
  const words = plan.argv.join(' ');
  expect(words).toMatch(/omx-capsule run .*--folder \/nodes\/n1\/jobs\/b1\/1\.1 /);
  expect(words).toContain(` --cwd /work --in in --out ${mount}/out --err ${mount}/err -- sort -n`);
  expect(plan).toMatchObject({ env: [`TMPDIR=${mount}/tmp`], killSignal: 40, cannotMove: [] });
});
