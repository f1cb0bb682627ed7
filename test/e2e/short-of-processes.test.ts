import { execFileSync } from 'node:child_process';
import { chownSync } from 'node:fs';
import { expect, test } from 'vitest';

import { shepherdPid, startNode, submit } from '../kit/batches.ts';
import { type TestHome, useHome } from '../kit/home.ts';
import { skipUnless } from '../kit/needs.ts';
import { allWell, givenBack, linesFrom, succeeded } from '../kit/shortage.ts';
import { until } from '../kit/until.ts';

const home = useHome();
const count = 3000;

test('short jobs wait while no process can be made', skipUnless('root', 'another user'), async () => {
  const uid = 54_322;
  const through = ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--'];
  for (const path of [home.dir, home.work]) chownSync(path, uid, uid);
  const theirs: TestHome = {
    ...{ dir: home.dir, work: home.work, env: home.env },
    omx: async (args, options) => home.omx(args, { ...options, through }),
    omxSpawn: (args, options) => home.omxSpawn(args, { ...options, through }),
  };
  const node = await startNode(theirs);
  const id = await submit(theirs, ['--array', `1-${count}`, '--', '/bin/echo', '{}']);
  await until(async () => (await succeeded(theirs, id)) >= 300);
  const [setpriv = '', ...as] = through;
  const limit = (most: string): Buffer =>
    execFileSync(setpriv, [...as, 'prlimit', '--pid', String(shepherdPid(home, 'n1')), `--nproc=${most}:`]);
  limit('1');
  await until(() => givenBack(node) > 0);
  expect((await theirs.omx(['why', id])).stdout).toMatch(
    /noted: .*node n1 is short of processes \(EAGAIN\); jobs wait there/,
  );
  const first = givenBack(node);
  await until(() => givenBack(node) > first);
  expect(await succeeded(theirs, id)).toBeLessThan(count);
  limit('1000');
  await allWell(theirs, id, linesFrom(1, count));
  expect(givenBack(node)).toBeLessThan(4 * 33);
  expect((await theirs.omx(['down'])).code).toBe(0);
});
