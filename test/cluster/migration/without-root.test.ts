import { chownSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';

import { type Commands, jobOf, startNode, waitFor } from '../../kit/batches.ts';
import { criuReady } from '../../kit/cluster/criu-ready.ts';
import { criuForOthers } from '../../kit/criu-for-others.ts';
import { type TestHome, useHome } from '../../kit/home.ts';
import { asNobody, skipUnless, type Tool } from '../../kit/needs.ts';
import { engines, talk } from './programs.ts';
import { begins, finish, goesOn, move, startMovable } from './steps.ts';

const byRoot = process.getuid?.() === 0;
const tools: readonly Tool[] = ['criu', ...(byRoot ? (['another user'] as const) : [])];

const shared = useHome({ shared: true });
/** The same, where root runs the tests by somebody else. */
const home: Pick<TestHome, 'omx' | 'omxSpawn'> & { shared: string } = {
  get shared() {
    return shared.work;
  },
  omx: async (args, options) => shared.omx(args, { ...options, ...as(options?.env) }),
  omxSpawn: (args, options) => shared.omxSpawn(args, { ...options, ...as(options?.env) }),
};
let criu = '';
function as(env: Record<string, string> = {}): { env: Record<string, string>; through?: readonly string[] } {
  return byRoot ? { env: { HOME: '/tmp', OMX_CRIU: criu, ...env }, through: ['setpriv', ...asNobody] } : { env };
}

beforeAll(async () => {
  if (skipUnless(...tools).skip) return;
  if (byRoot) {
    for (const path of [shared.dir, shared.work]) chownSync(path, 65_534, 65_534);
    criu = criuForOthers(shared.dir);
  }
  await Promise.all(['n1', 'n2'].map((name) => startNode({ ...shared, ...home }, { name })));
  await criuReady(home, 'n1', 'n2');
}, 120_000);

async function other({ omx }: Commands, id: string): Promise<string> {
  return (await jobOf({ omx }, id)).node === 'n1' ? 'n2' : 'n1';
}

test('System V messages and semaphores go along', { ...skipUnless(...tools), timeout: 120_000 }, async () => {
  const job = await startMovable(home, talk('messages', 1));
  await begins(home, job);
  for (let i = 0; i < 2; i += 1) {
    await move(home, job, await other(home, job.id));
    await goesOn(home, job);
  }
  finish(job);
  await waitFor(home, job.id);
  expect(await jobOf(home, job.id)).toMatchObject({ exitCode: 16, migrations: 2, attempt: 1 });
});

test.for([
  [
    'System V shared memory',
    [],
    () => talk('memory', 1),
    16,
    /System V shared memory, which cannot be moved without root/,
  ],
  ['POSIX shared memory without a name', [], () => talk('nameless', 1), 16, /memory without a name .*without root/],
  [
    'a pool of Python',
    ['python3'],
    () => ['python3', join(engines, 'pool.py')],
    17,
    /memory without a name \(as Python multiprocessing does\).*without root/,
  ],
] as const)(
  '%s stays, with the reason',
  { timeout: 120_000 },
  async ([, more, command, exitCode, reason], { skip }) => {
    const { skip: isMissing, meta } = skipUnless(...tools, ...more);
    skip(isMissing, meta.skipReason);
    const job = await startMovable(home, command());
    const { node } = await begins(home, job);
    const { code, stderr } = await home.omx(['migrate', job.id, '--to', await other(home, job.id)]);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(reason) as string });
    await goesOn(home, job);
    finish(job);
    await waitFor(home, job.id);
    expect(await jobOf(home, job.id)).toMatchObject({ exitCode, node, migrations: 0, attempt: 1 });
  },
);
