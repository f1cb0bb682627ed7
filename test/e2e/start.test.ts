import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, test } from 'vitest';

import { root, useHome } from '../kit/home.ts';

const home = useHome();

test('npm start runs the forty numbers and shows results and times', async () => {
  const { exitCode, stdout, stderr } = await execa('npm', ['start'], {
    cwd: root,
    env: { ...home.env, XDG_STATE_HOME: `${home.dir}/state`, XDG_RUNTIME_DIR: home.dir },
    extendEnv: false,
    reject: false,
  });
  expect({ exitCode, stderr: exitCode === 0 ? '' : stderr }).toEqual({ exitCode: 0, stderr: '' });

  const [, table = ''] = stdout.split('omx results last\n');
  const rows = table.split('\n').flatMap((line) => {
    const [, index, n, value] = /^b1\.(\d+)\s+(\d+)\s+(\d+)$/.exec(line) ?? [];
    return index === undefined ? [] : [{ index: Number(index), n: Number(n), value: Number(value) }];
  });
  const expected = JSON.parse(readFileSync(join(root, 'examples/multifibo/expected.json'), 'utf8')) as {
    n: number;
    value: number;
  }[];
  expect(rows).toEqual(expected.filter(({ n }) => n <= 40).map(({ n, value }) => ({ index: n, n, value })));
  // As the shell's own `time` writes them: `omx run` on stderr, `omx time` on stdout.
  for (const name of ['real', 'user', 'sys']) {
    expect(stderr).toMatch(new RegExp(`^${name}\\s+\\d+m\\d+\\.\\d{3}s$`, 'm'));
    expect(stdout).toMatch(new RegExp(`\\b${name}\\b`));
  }
});
