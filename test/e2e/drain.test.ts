import { beforeEach, describe, expect, test } from 'vitest';

import { jobsOf, linesOf, open, startNode, submit, traces, waitFor } from '../kit/batches.ts';
import { useHome } from '../kit/home.ts';
import { fixture } from '../kit/ran.ts';
import { until } from '../kit/until.ts';

const home = useHome();
beforeEach(async () => {
  await startNode(home, { name: 'n1', slots: 2 });
});

async function omx(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await home.omx(args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

async function nodeState(name: string): Promise<string> {
  const nodes = (await home.omx(['nodes', '--json'])).jsonLines<{ name: string; state: string }>();
  return nodes.find((node) => node.name === name)?.state ?? 'unknown';
}

describe('omx drain', () => {
  test('lets jobs finish and nothing more begin, until omx undrain', async () => {
    const dir = traces(home, 'drain');
    const id = await submit(home, ['--array', '1-4', '--', fixture('latch'), dir]);
    await until(() => linesOf(`${dir}/started`).length === 2);
    expect(await omx('drain', 'n1', '--reason', 'new disk')).toMatch(/^n1: moves or finishes 2 jobs/);
    const table = await omx('nodes');
    expect(table).toMatch(/draining/);
    expect(table).toMatch(/new disk$/m);
    const waiting = home.omxSpawn(['drain', 'n1', '--wait', '--json']);
    open(`${dir}/go`);
    const drained = await waiting.ended;
    expect(drained).toMatchObject({ code: 0, stderr: '' });
    expect(drained.json()).toEqual([{ name: 'n1', state: 'drained', reason: 'new disk', running: 0 }]);
    expect(linesOf(`${dir}/started`)).toHaveLength(2);
    expect((await jobsOf(home, id)).filter(({ state }) => state === 'succeeded')).toHaveLength(2);
    expect(await omx('why', `${id}.4`)).toMatch(/n1 is drained \(new disk\); omx undrain n1/);
    expect(await omx('undrain', 'n1')).toBe('n1: takes jobs again\n');
    expect(await waitFor(home, id)).toBe(0);
    expect(linesOf(`${dir}/done`)).toHaveLength(4);
    expect(await omx('undrain', 'n1')).toBe('n1: was not drained\n');
  });

  test('takes several names, and twice is no harm', async () => {
    const n2 = await startNode(home, { name: 'n2', slots: 1 });
    expect((await home.omx(['drain', 'n1,n2', '--json'])).json()).toMatchObject([
      { name: 'n1', state: 'drained' },
      { name: 'n2', state: 'drained' },
    ]);
    expect(await omx('drain', 'n1', 'n2', 'n1')).toMatch(/n1: was to be drained already.*\n.*n2[^]*n1: runs nothing/);
    expect(await omx('undrain', 'n1', 'n2')).toBe('n1: takes jobs again\nn2: takes jobs again\n');
    n2.kill();
    await n2.ended;
  });

  test('of an unknown node is refused, and the others that were named stay as they are', async () => {
    for (const verb of ['drain', 'undrain']) {
      const { code, stderr } = await home.omx([verb, 'n1', 'nowhere']);
      expect(code).toBe(4);
      expect(stderr).toMatch(/there is no node nowhere[^]*omx nodes/);
    }
    expect(await nodeState('n1')).toBe('up');
    expect((await home.omx(['drain'])).code).toBe(2);
    expect((await home.omx(['drain', ','])).code).toBe(2);
  });

  test('of a node that is down holds when it is back', async () => {
    const n2 = await startNode(home, { name: 'n2' });
    n2.kill();
    await n2.ended;
    expect(await omx('drain', 'n2', '--reason', 'repair', '--wait')).toMatch(
      /^n2: is down; when it is back it takes no jobs/,
    );
    const back = await startNode(home, { name: 'n2' });
    expect(await nodeState('n2')).toBe('drained');
    const id = await submit(home, ['--node', 'n2', '--', 'true']);
    expect(await omx('why', id)).toMatch(/n2.*drained/);
    expect(await omx('undrain', 'n2')).toBe('n2: takes jobs again\n');
    expect(await waitFor(home, id)).toBe(0);
    back.kill();
    await back.ended;
  });

  test('--wait that is interrupted only stops waiting', async () => {
    const dir = traces(home, 'interrupt');
    const id = await submit(home, ['--', fixture('latch'), dir]);
    await until(() => linesOf(`${dir}/started`).length === 1);
    const waiting = home.omxSpawn(['drain', 'n1', '--wait']);
    await until(() => waiting.stdout().includes('moves or finishes 1 job'));
    waiting.kill('SIGINT');
    expect(await waiting.ended).toMatchObject({ code: 130, stderr: expect.stringMatching(/n1 goes on draining/) });
    expect(await nodeState('n1')).toBe('draining');
    open(`${dir}/go`);
    expect(await waitFor(home, id)).toBe(0);
    await until(async () => (await nodeState('n1')) === 'drained');
  });
});
