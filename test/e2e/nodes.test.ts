import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { isAlive, killNow, linesOf, open, startNode, submit, traces, workerPid } from '../kit/batches.ts';
import { type RunningOmx, type TestHome, useHome } from '../kit/home.ts';
import { fixture } from '../kit/ran.ts';
import { redisOnPort } from '../kit/redis.ts';
import { until } from '../kit/until.ts';

/** Two machines as far as omx can tell: folders of their own, one queue. */
const altair = useHome();
const vega = useHome();
let server: Awaited<ReturnType<typeof redisOnPort>>;
let workers: RunningOmx[] = [];
beforeEach(async () => {
  server = await redisOnPort([]);
});
afterEach(async () => {
  for (const worker of workers) worker.kill();
  await Promise.all(workers.map(async (worker) => worker.ended));
  workers = [];
  await server.stop();
});

function url(): string[] {
  return ['--redis', `redis://127.0.0.1:${server.port}`];
}

async function join(home: TestHome, name: string, ...args: string[]): Promise<RunningOmx> {
  const worker = await startNode(home, { name, args: [...url(), ...args], slots: 2 });
  workers.push(worker);
  return worker;
}

async function stateOf(name: string): Promise<string | undefined> {
  const nodes = (await altair.omx(['nodes', '--json', ...url()])).jsonLines<{ name: string; state: string }>();
  return nodes.find((node) => node.name === name)?.state;
}

/** A worker that dies with a job under way: its shepherd and the job live on. */
async function die(home: TestHome, name: string, ...args: string[]): Promise<{ id: string; dir: string }> {
  const worker = await join(home, name, '--lease', '2s', ...args);
  const dir = traces(home, 'died');
  const id = await submit(home, [...url(), '--', fixture('latch'), dir]);
  await until(() => linesOf(`${dir}/started`).length === 1);
  await until(
    async () => (await altair.omx(['jobs', id, '--json', ...url()])).json<{ state: string }>().state === 'running',
  );
  await killNow(workerPid(home, name));
  await worker.ended;
  return { id, dir };
}

describe('two workers with one name', () => {
  test('the second of a folder is refused by the process id of the first', async () => {
    await join(altair, 'n1');
    const second = await altair.omx(['worker', '--name', 'n1', ...url()]);
    expect(second.code).toBe(2);
    expect(second.stderr).toContain(
      `cannot be 'n1': the worker with process id ${workerPid(altair, 'n1')} is it already`,
    );
    expect(second.stderr).toMatch(/--name/);
    expect(await stateOf('n1')).toBe('up');
  });

  test('the second from another folder is refused as long as the first is alive', async () => {
    const first = await join(altair, 'n1');
    const second = await vega.omx(['worker', '--name', 'n1', ...url()]);
    expect(second.code).toBe(2);
    expect(second.stderr).toMatch(
      /cannot join as 'n1': the node with process id \d+, state up, has that name and is alive[^]*--name/,
    );
    expect(workerPid(vega, 'n1')).toBeUndefined();
    const id = await submit(altair, [...url(), '--', 'true']);
    await until(async () => (await altair.omx(['wait', '-q', id, ...url()])).code === 0);
    first.kill();
    await first.ended;
    // One that has left leaves its name at once.
    await join(vega, 'n1');
    expect(await stateOf('n1')).toBe('up');
  });

  test('the second takes over from one that is dead, and the job does not run twice at a time', async () => {
    const { id, dir } = await die(altair, 'n1');
    await until(async () => (await stateOf('n1')) === 'down');
    await join(vega, 'n1');
    await until(() => linesOf(`${dir}/started`).length === 2, { timeoutMs: 30_000 });
    const [first, second] = linesOf(`${dir}/started`).map((line) => Number(line.split(' ')[2]));
    // It stood still; the kernel may take a moment to end it.
    await until(() => !isAlive(Number(first)));
    expect(isAlive(Number(second))).toBe(true);
    open(`${dir}/go`);
    expect((await vega.omx(['wait', '-q', id, ...url()])).code).toBe(0);
    expect(linesOf(`${dir}/done`)).toEqual(['1 2']);
  });
});

describe('omx nodes --forget', () => {
  test('is refused while the node is alive, and for one that never was', async () => {
    await join(altair, 'n1');
    const alive = await altair.omx(['nodes', '--forget', 'n1', ...url()]);
    expect(alive.code).toBe(2);
    expect(alive.stderr).toMatch(/node n1 cannot be forgotten: it is alive[^]*omx drain n1 --wait/);
    expect((await altair.omx(['nodes', '--forget', 'nowhere', ...url()])).code).toBe(4);
    expect(await stateOf('n1')).toBe('up');
  });

  test('has another worker free the jobs and the name', async () => {
    const { id, dir } = await die(altair, 'n1', '--on-lost', 'finish');
    await until(async () => (await stateOf('n1')) === 'down');
    await join(vega, 'n2');
    const forgotten = await altair.omx(['nodes', '--forget', 'n1', '--json', ...url()], { timeoutMs: 90_000 });
    expect(forgotten).toMatchObject({ code: 0, stderr: '' });
    expect(forgotten.json()).toEqual({ name: 'n1', forgotten: true });
    expect(await stateOf('n1')).toBeUndefined();
    open(`${dir}/go`);
    expect((await vega.omx(['wait', '-q', id, ...url()])).code).toBe(0);
    expect((await altair.omx(['jobs', id, '--json', ...url()])).json()).toMatchObject({ node: 'n2', attempt: 2 });
  });

  test('where no worker is up says what will happen', async () => {
    const { id, dir } = await die(altair, 'n1');
    await until(async () => (await stateOf('n1')) === 'down');
    const asked = await altair.omx(['nodes', '--forget', 'n1', ...url()]);
    expect(asked).toMatchObject({ code: 0, stderr: '' });
    expect(asked.stdout).toMatch(/n1: no worker is up .* the next one that starts does so/);
    await join(vega, 'n2');
    await until(async () => (await stateOf('n1')) === undefined, { timeoutMs: 60_000 });
    open(`${dir}/go`);
    expect((await vega.omx(['wait', '-q', id, ...url()])).code).toBe(0);
  });
});

test('omx why tells a job on a node out of touch from one that runs', async () => {
  const { id, dir } = await die(altair, 'n1', '--on-lost', 'stop');
  await until(async () => (await stateOf('n1')) === 'down');
  const why = (await vega.omx(['why', id, ...url()])).stdout;
  expect(why).toMatch(/n1 is out of touch since \d\d:\d\d:\d\d/);
  expect(why).toMatch(/--on-lost stop/);
  expect(why).toMatch(/another node/);
  await join(altair, 'n1', '--lease', '2s');
  open(`${dir}/go`);
  expect((await vega.omx(['wait', '-q', id, ...url()])).code).toBe(0);
});

test('omx nodes of a queue without nodes says how to get one', async () => {
  const { code, stdout, stderr } = await altair.omx(['nodes', ...url()]);
  expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
  expect(stderr).toMatch(/omx up.*omx worker/);
});
