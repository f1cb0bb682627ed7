import { beforeAll, describe, expect, test } from 'vitest';

import { finish, jobOf, jobsOf, linesOf, open, startNode, submit, traces, waitFor } from '../kit/batches.ts';
import { useHome } from '../kit/home.ts';
import { fixture } from '../kit/ran.ts';
import { until } from '../kit/until.ts';

describe('on two nodes', () => {
  const home = useHome({ shared: true });
  beforeAll(async () => {
    await startNode(home, { name: 'n1', slots: 1 });
    await startNode(home, { name: 'n2', slots: 2, args: ['--label', 'disk=a~b,c'] });
  });
  const why = async (id: string): Promise<string> => (await home.omx(['why', id])).stdout;

  test.each([
    ['--cpus', '2'],
    ['--label', 'disk=a~b,c'],
    ['--node', 'n2'],
    ['--node', 'never-joined,n2'],
  ])('%s %s goes to the node that has it', async (option, value) => {
    const id = await finish(home, [option, value, '--array', '1-3', '--', 'true']);
    const jobs = await jobsOf(home, id);
    expect(jobs).toHaveLength(3);
    expect(jobs.map(({ node, outcome }) => [node, outcome])).toEqual(jobs.map(() => ['n2', 'succeeded']));
  });

  test('jobs do not run together whose --mem a node does not have', async () => {
    const nodes = (await home.omx(['nodes', '--json'])).jsonLines();
    const half = Math.ceil(nodes[0].memTotal / 2) + 1;
    const dir = traces(home, 'memory');
    const large = await submit(home, [
      '--node',
      'n2',
      '--mem',
      String(half),
      '--array',
      '1-3',
      '--',
      fixture('crowd'),
      dir,
      'large{}',
    ]);
    const small = await submit(home, ['--node', 'n2', '--array', '1-4', '--', fixture('crowd'), dir, 'small{}']);
    expect(await waitFor(home, large, small)).toBe(0);
    const seen = linesOf(`${dir}/seen`).map((line) => line.split(', '));
    expect(seen.filter((names) => names.filter((name) => name.startsWith('large')).length > 1)).toEqual([]);
    // Who asks for no memory runs beside them.
    expect(Math.max(...seen.map((names) => names.length))).toBe(2);
  });

  test('a rerun with other limits goes where they are', async () => {
    const id = await finish(home, ['--node', 'n1,n2', '--', 'sh', '-c', 'test "$OMX_ATTEMPT" -gt 1']);
    expect((await home.omx(['rerun', id, '--set', 'cpus=2'])).code).toBe(0);
    expect(await waitFor(home, id)).toBe(0);
    expect(await jobOf(home, id)).toMatchObject({ node: 'n2', attempt: 2 });
  });

  test('a rerun that asks for more than there is waits, and another that asks for less runs', async () => {
    const id = await finish(home, ['--', 'sh', '-c', 'test "$OMX_ATTEMPT" -gt 1']);
    await home.omx(['rerun', id, '--set', 'mem=900TiB']);
    expect(await why(id)).toMatch(/900TiB of memory \(--mem\), more than any node has: n\d has /);
    expect((await home.omx(['cancel', id])).code).toBe(0);
    await home.omx(['rerun', id, '--on', 'cancelled', '--set', 'mem=1MiB']);
    expect(await waitFor(home, id)).toBe(0);
  });

  test.each<[string, readonly string[], RegExp]>([
    ['an unknown node', ['--node', 'ghost'], /it asks for node ghost \(--node\), which has never joined/],
    ['a label', ['--label', 'gpu=yes'], /gpu=yes \(--label\), and there is none: n1 has no labels, n2 has disk=a~b,c/],
    ['slots', ['--cpus', '3'], /3 slots \(--cpus\), more than any node has: n2 has 2, n1 has 1/],
    ['memory', ['--mem', '900TiB'], /900TiB of memory \(--mem\), more than any node has/],
  ])('asking for %s that nobody has is told at once and waits', async (_name, args, expected) => {
    const { code, stdout, stderr } = await home.omx(['submit', '-q', ...args, '--', 'true']);
    const id = stdout.trim();
    expect({ code, id }).toEqual({ code: 0, id: expect.stringMatching(/^b\d+$/) });
    expect(stderr).toMatch(new RegExp(`^warning: ${id} waits until a node joins that can run it: .*\n$`));
    expect(stderr).toMatch(expected);
    expect(await why(id)).toMatch(expected);
    expect((await home.omx(['cancel', id])).code).toBe(0);
  });

  test('and runs as soon as a node joins that has it', async () => {
    const { stdout, stderr } = await home.omx(['submit', '-q', '--label', 'rack=7', '--cpus', '3', '--', 'true']);
    expect(stderr).toContain('rack=7');
    const node = await startNode(home, { name: 'n3', slots: 3, args: ['--label', 'rack=7'] });
    expect(await waitFor(home, stdout.trim())).toBe(0);
    expect(await jobOf(home, stdout.trim())).toMatchObject({ node: 'n3' });
    node.kill();
    await node.ended;
    const later = await submit(home, ['--label', 'rack=7', '--', 'true']);
    expect(await why(later)).toMatch(/no other node could run it: n3 is down.*--label rack=7/);
    expect((await home.omx(['cancel', later])).code).toBe(0);
  });
});

describe('what is claimed and waits goes to a node that has nothing to do', () => {
  const home = useHome();

  test('short jobs behind a long one', async () => {
    await startNode(home, { name: 'n1', slots: 1 });
    const dir = traces(home, 'tail');
    const script = 'if [ "$1" = 15 ]; then exec "$2" "$3"; fi; echo "$OMX_NODE" >>"$3/ran"';
    const id = await submit(home, ['--array', '1-60', '--', 'sh', '-c', script, '-', '{}', fixture('latch'), dir]);
    await until(() => linesOf(`${dir}/started`).length === 1);
    // Without this the test would prove nothing.
    expect((await home.omx(['why', id])).stdout).toMatch(/about to start on n1/);
    await startNode(home, { name: 'n2', slots: 1 });
    await until(() => linesOf(`${dir}/ran`).length === 59, { timeoutMs: 30_000 });
    expect((await jobOf(home, `${id}.15`)).state).toBe('running');
    open(`${dir}/go`);
    expect(await waitFor(home, id)).toBe(0);
    const jobs = await jobsOf(home, id);
    expect(jobs.map(({ attempt }) => attempt)).toEqual(Array.from({ length: 60 }, () => 1));
    expect(linesOf(`${dir}/ran`)).toContain('n2');
  });

  test('a large job that waits for slots', async () => {
    await startNode(home, { name: 'n1', slots: 2 });
    const dir = traces(home, 'large');
    const long = await submit(home, ['--', fixture('latch'), dir]);
    await until(() => linesOf(`${dir}/started`).length === 1);
    const large = await submit(home, ['--cpus', '2', '--', 'true']);
    await until(async () => (await home.omx(['why', large])).stdout.includes('n1 has taken it'));
    await startNode(home, { name: 'n2', slots: 2 });
    expect(await waitFor(home, large)).toBe(0);
    expect(await jobOf(home, large)).toMatchObject({ node: 'n2', attempt: 1 });
    open(`${dir}/go`);
    expect(await waitFor(home, long)).toBe(0);
  });
});
