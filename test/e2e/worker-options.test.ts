import { chownSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { describe, expect, test } from 'vitest';

import { finish, open, startNode, submit, traces, linesOf, waitFor, workerPid, isAlive } from '../kit/batches.ts';
import { useHome } from '../kit/home.ts';
import { skipUnless } from '../kit/needs.ts';
import { fixture } from '../kit/ran.ts';
import { until } from '../kit/until.ts';

const home = useHome();

interface NodeJson {
  readonly name: string;
  readonly state: string;
  readonly role: string;
  readonly slots: number;
  readonly maxSlots: number;
  readonly launchers: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly lease: number;
  readonly onLost: string;
}

async function node(name: string): Promise<NodeJson> {
  const nodes = (await home.omx(['nodes', '--json'])).jsonLines<NodeJson>();
  const found = nodes.find((each) => each.name === name);
  if (found === undefined) throw new Error(`no node ${name} among ${nodes.map((each) => each.name).join(', ')}`);
  return found;
}

describe('omx worker', () => {
  test.each([
    [['--slots', '0'], /--slots: '0' is not auto or a number from 1 to 10000[^]*--role home/],
    [['--label', 'gpu'], /--label: 'gpu' is not KEY=VALUE/],
    [['--lease', '100ms'], /--lease: '100ms' is shorter[^]*2s to 10m/],
  ])('%j is refused before anything is started', async (args, message) => {
    const { code, stdout, stderr } = await home.omx(['worker', ...args]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(message);
    expect(workerPid(home, hostname())).toBeUndefined();
  });

  test('says of itself what it was told, and a queue of its own lets its jobs finish', async () => {
    await startNode(home, {
      slots: 3,
      args: ['--label', 'gpu=yes', '--label', 'rack=3', '--lease', '20s', '--launcher', 'plain'],
    });
    expect(await node('n1')).toMatchObject({
      maxSlots: 3,
      role: 'both',
      labels: { gpu: 'yes', rack: '3' },
      launchers: ['plain'],
      lease: 20,
      onLost: 'finish',
    });
  });

  test('offers only the launchers it was told to', async () => {
    await startNode(home, { args: ['--launcher', 'mosrun', '--on-lost', 'stop'] });
    expect(await node('n1')).toMatchObject({ launchers: [], onLost: 'stop' });
    const id = await finish(home, ['--launcher', 'plain', '--', 'true']);
    expect((await home.omx(['why', id])).stdout).toMatch(/not started[^]*not to offer it \(--launcher\)/);
  });

  test('leaves after --idle-timeout, counted from its last job', async () => {
    const dir = traces(home, 'idle');
    // More than the timeout passes while the job runs; the worker must not leave it.
    const n1 = await startNode(home, { name: 'n1', args: ['--idle-timeout', '1s'] });
    const id = await submit(home, ['--', 'sh', '-c', '"$1" "$2"; sleep 4', '-', fixture('latch'), dir]);
    await until(() => linesOf(`${dir}/started`).length === 1);
    open(`${dir}/go`);
    expect(await waitFor(home, id)).toBe(0);
    expect(await n1.ended).toMatchObject({ code: 0 });
    expect(n1.stdout()).toMatch(/--idle-timeout/);
  });

  test('a home node takes no jobs; its name is no reason to wait for it', async () => {
    await startNode(home, { name: 'master', args: ['--role', 'home'] });
    const id = await submit(home, ['--', 'true']);
    expect((await home.omx(['why', id])).stdout).toMatch(/master is a home node, which takes no jobs/);
    await startNode(home, { name: 'n1' });
    expect(await waitFor(home, id)).toBe(0);
  });

  test('on a machine whose worker is a guest, submit is refused', async () => {
    const guest = await startNode(home, { name: 'guest', args: ['--role', 'guest'] });
    for (const verb of ['submit', 'run']) {
      const { code, stdout, stderr } = await home.omx([verb, '--', 'true']);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toMatch(/guest node \(guest\)[^]*--role both/);
    }
    guest.kill();
    await guest.ended;
    await startNode(home, { name: 'guest' });
    await finish(home, ['--', 'true']);
  });
});

describe('omx up', () => {
  test('passes options on to the workers it starts, and says when they come too late', async () => {
    expect((await home.omx(['up', '--slots', '0'])).code).toBe(2);
    expect((await home.omx(['up', '--label', 'gpu'])).stderr).toMatch(/--label: 'gpu' is not KEY=VALUE/);
    const up = await home.omx(['up', '--slots', '3', '--label', 'gpu=yes', '--workers', '2']);
    expect(up).toMatchObject({ code: 0, stderr: '' });
    expect(up.stdout).toMatch(/3 slots {2}started[^]*3 slots {2}started/);
    const again = await home.omx(['up', '--slots', '5']);
    expect(again.stdout).toMatch(/3 slots {2}was running/);
    expect(again.stderr).toMatch(/--slots 5 holds for workers that were started now; omx down first/);
    await finish(home, ['--label', 'gpu=yes', '--', 'true']);
  });

  test('--idle-timeout is for machines that come and go', async () => {
    // Asked of nobody afterwards: any other command would start a worker where none is left.
    const up = await home.omx(['up', '--idle-timeout', '1s', '--json']);
    const { nodes } = up.json<{ nodes: { name: string; pid: number }[] }>();
    const [{ name, pid } = { name: '', pid: 0 }] = nodes;
    expect(pid).toBeGreaterThan(1);
    await until(() => !isAlive(pid), { timeoutMs: 20_000 });
    expect(readFileSync(`${home.dir}/nodes/${name}/worker.log`, 'utf8')).toMatch(/--idle-timeout/);
  });
});

test(
  'an account without a name, as in a container for a bare uid, is called by its number',
  skipUnless('root', 'another user'),
  async () => {
    const uid = 54_321;
    const through = ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--'];
    for (const path of [home.dir, home.work]) chownSync(path, uid, uid);
    const run = await home.omx(['run', '--', 'id', '-u'], { through });
    expect(run).toMatchObject({ code: 0, stdout: `${uid}\n` });
    const [info] = (await home.omx(['nodes', '--json'], { through })).jsonLines<{ account: object }>();
    expect(info?.account).toEqual({ user: String(uid), uid, gid: uid });
    // Nor is there a folder for its state, unless it says so.
    const homeless = await home.omx(['status'], { through, env: { HOME: '', OMX_HOME: '', XDG_STATE_HOME: '' } });
    expect(homeless).toMatchObject({
      code: 3,
      stdout: '',
      stderr: expect.stringMatching(/^error: cannot keep a queue in \/\.local[^\n]+\nhint: [^\n]*OMX_HOME[^\n]*\n$/),
    });
    expect((await home.omx(['down'], { through })).code).toBe(0);
  },
);
