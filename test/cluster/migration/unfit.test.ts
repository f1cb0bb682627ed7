import { dirname } from 'node:path';
import { expect, test } from 'vitest';

import { jobOf, open, startNode, submit, waitFor } from '../../kit/batches.ts';
import { useHome } from '../../kit/home.ts';
import { skipUnless } from '../../kit/needs.ts';
import { fixture } from '../../kit/ran.ts';
import { until } from '../../kit/until.ts';

const home = useHome();

/** Goes on until it may end. */
const waiting = ['sh', '-c', 'until [ -e finish ]; do sleep 0.02; done'];

async function runs(id: string): Promise<void> {
  await until(async () => (await jobOf(home, id)).state === 'running');
}

test('a job under mosrun is the kernel’s to move, which is said with the command for it', async () => {
  const PATH = `${dirname(fixture('mosrun'))}:${process.env['PATH']}`;
  const env = { OMX_MOSIX_DIALECT: 'openmosix-2.4', PATH };
  await startNode(home, { name: 'n1', env });
  await startNode(home, { name: 'n2', env, args: ['--launcher', 'plain', '--launcher', 'criu'] });
  const id = await submit(home, ['--node', 'n1', '--launcher', 'mosrun', '--', ...waiting], {
    env: { MOSRUN_DIALECT: 'openmosix-2.4', PATH },
  });
  await runs(id);
  const { code, stderr } = await home.omx(['migrate', id, '--to', 'n2']);
  expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringMatching(/mosrun[^]*migrate PID NODE/) });
  open(`${home.work}/finish`);
  expect(await waitFor(home, id)).toBe(0);
});

test(
  'without its privileges a node offers no CRIU, and says which one is missing',
  skipUnless('criu', 'root'),
  async () => {
    const without = ['setpriv', '--bounding-set', '-sys_admin', '--inh-caps', '-sys_admin'];
    const worker = home.omxSpawn(['worker', '--name', 'n1', '--slots', '1'], { through: without });
    await until(() => worker.stdout().includes('node is up'), { timeoutMs: 30_000 });
    await until(async () => !(await home.omx(['nodes'])).stdout.includes('criu?'), { timeoutMs: 30_000 });
    const launchers = async (): Promise<string[]> => (await home.omx(['nodes', '--json'])).jsonLines()[0].launchers;
    expect(await launchers()).not.toContain('criu');
    const submitted = await home.omx(['submit', '-q', '--launcher', 'criu', '--', 'true']);
    expect(submitted).toMatchObject({ code: 0, stderr: expect.stringMatching(/n1 has no criu that works/) });
    const id = submitted.stdout.trim();
    expect((await home.omx(['why', id])).stdout).toMatch(/criu/i);
    const { code, stdout } = await home.omx(['doctor'], { through: without });
    expect(code).toBeLessThan(2);
    expect(stdout).toMatch(/CAP_SYS_ADMIN|privilege/i);
    expect(await home.omx(['cancel', id])).toMatchObject({ code: 0 });
  },
);
