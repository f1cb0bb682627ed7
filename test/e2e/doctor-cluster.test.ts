import { chmodSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { type RunningOmx, useHome } from '../kit/home.ts';
import { skipUnless } from '../kit/needs.ts';
import { ownMounts } from '../kit/own-mounts.ts';
import { until } from '../kit/until.ts';

interface Check {
  readonly name: string;
  readonly verdict: 'ok' | 'warn' | 'fail';
  readonly reason: string;
  readonly mend: string | null;
}

const home = useHome();

async function checks(...args: string[]): Promise<{ readonly code: number; readonly all: Check[] }> {
  const result = await home.omx(['doctor', '--json', ...args]);
  return { code: result.code, all: result.json().checks };
}

async function up(...names: string[]): Promise<void> {
  await until(
    async () => {
      const nodes = (await home.omx(['nodes', '--json'])).jsonLines();
      return names.every((name) => nodes.some((node) => node.name === name && node.state === 'up'));
    },
    { timeoutMs: 30_000 },
  );
}

async function leave(...workers: RunningOmx[]): Promise<void> {
  for (const worker of workers) worker.kill();
  await Promise.all(workers.map((worker) => worker.ended));
}

function program(path: string, text: string): string {
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
  return path;
}

test('the folder and the program of a batch are looked for on the nodes that may take it', async () => {
  const cwd = join(home.work, 'here');
  mkdirSync(cwd);
  const tool = program(join(home.work, 'tool'), 'true');
  await home.omx(['up']);
  expect((await home.omx(['submit', '--hold', '--', tool], { cwd })).code).toBe(0);
  expect((await home.omx(['submit', '--hold', '--node', 'nowhere', '--', tool], { cwd })).code).toBe(0);

  expect((await checks('b1')).all).toContainEqual(
    expect.objectContaining({ name: 'batch b1', verdict: 'ok', reason: expect.stringContaining('are there on') }),
  );
  // Without a selector, those that have not ended.
  const { code, all } = await checks();
  expect(code).toBe(0);
  expect(all.map(({ name }) => name)).toEqual(expect.arrayContaining(['batch b1', 'batch b2']));
  expect(all.find(({ name }) => name === 'batch b2')).toMatchObject({ verdict: 'warn', mend: /omx why b2/ });

  renameSync(cwd, `${cwd}.away`);
  renameSync(tool, `${tool}.away`);
  const broken = await checks('b1');
  expect(broken.code).toBe(1);
  const reasons = broken.all.filter(({ name }) => name === 'batch b1').map(({ reason }) => reason);
  expect(reasons).toEqual([
    expect.stringMatching(/working directory \S+\/here is not there on \S+$/),
    expect.stringMatching(/program \S+\/tool is not there on \S+$/),
  ]);
  chmodSync(`${tool}.away`, 0o644);
  renameSync(`${tool}.away`, tool);
  renameSync(`${cwd}.away`, cwd);
  // Root may read anything, and still not execute what nobody may.
  expect((await checks('b1')).all.find(({ name }) => name === 'batch b1')?.reason).toMatch(/may not be executed on/);

  const unknown = await home.omx(['doctor', 'b99']);
  expect(unknown).toMatchObject({ code: 4, stderr: expect.stringContaining('no batch b99') });
});

test('a job that found no program is led to doctor by why', async () => {
  await home.omx(['submit', '--wait', '-q', '--', '/nowhere/tool']);
  expect((await home.omx(['why', 'b1'])).stdout).toContain('omx doctor b1.1 looks for it on every node');
  expect((await home.omx(['doctor', 'b1'])).stdout).toMatch(/fail +batch b1 .*\/nowhere\/tool is not there/);
});

describe('nodes with file systems of their own', skipUnless('root'), () => {
  test('programs of different builds and folders that are not everywhere are noticed', async () => {
    const there = join(home.work, 'there');
    const elsewhere = join(home.work, 'elsewhere');
    for (const folder of [there, elsewhere]) mkdirSync(folder);
    mkdirSync(join(there, 'data'));
    program(join(there, 'tool'), 'echo one');
    program(join(elsewhere, 'tool'), 'echo another');
    await home.omx(['up']);
    const [first] = (await home.omx(['nodes', '--json'])).jsonLines();
    // The second node sees another folder at the same path.
    const second = home.omxSpawn(['worker', '--name', 'second', '--slots', '1'], {
      through: [
        'unshare',
        '--mount',
        ...ownMounts,
        'sh',
        '-c',
        `mount --bind ${elsewhere} ${there} && exec "$@"`,
        'sh',
      ],
    });
    await up('second');
    await home.omx(['submit', '--hold', '--', './tool'], { cwd: there });
    await home.omx(['submit', '--hold', '--', 'sh', '-c', 'true'], { cwd: join(there, 'data') });

    const builds = (await checks('b1')).all.filter(({ name }) => name === 'batch b1');
    expect(builds).toEqual([
      expect.objectContaining({
        verdict: 'warn',
        reason: expect.stringMatching(/\.\/tool is not the same file everywhere: .* on \S+; .* on \S+/),
      }),
    ]);
    const folders = await checks('b2');
    expect(folders.code).toBe(1);
    expect(folders.all.filter(({ name }) => name === 'batch b2')).toEqual([
      expect.objectContaining({
        verdict: 'fail',
        reason: expect.stringMatching(/there\/data is not there on second$/),
      }),
    ]);
    expect(first.name).not.toBe('second');
    await leave(second);
  });
});

test('a node that is drained or lost is said with the reason, and one node can be looked at alone', async () => {
  await home.omx(['up']);
  const away = home.omxSpawn(['worker', '--name', 'away', '--slots', '1']);
  await up('away');
  const whole = await home.omx(['doctor', '--node', 'away']);
  expect(whole.code).toBe(0);
  expect(whole.stdout).toMatch(/ok +answer +it answers in \d+ ms; 0 jobs run there/);
  expect(whole.stdout).toMatch(/ok +account +\S+ \d+:\d+/);
  expect(whole.stdout).toMatch(/ok +accounts +\S+ is \d+:\d+ on all nodes/);
  expect(await home.omx(['doctor', '--node', 'nobody'])).toMatchObject({ code: 4, stdout: '' });

  expect((await home.omx(['drain', 'away', '--reason', 'new disk'])).code).toBe(0);
  const drained = await until(async () => (await checks()).all.find(({ name }) => name === 'node away'), {
    is: (check) => check?.verdict === 'warn',
  });
  expect(drained).toMatchObject({
    reason: expect.stringMatching(/drained.*new disk/),
    mend: expect.stringContaining('omx undrain away'),
  });

  await leave(away);
  const down = (await checks()).all.find(({ name }) => name === 'node away');
  expect(down).toMatchObject({ verdict: 'warn', reason: expect.stringMatching(/^down: left/) });
});

describe('an openMosix map', () => {
  const own = Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .find(({ internal, family }) => !internal && family === 'IPv4')?.address;
  const noAddress = own === undefined ? { skip: true, meta: { skipReason: 'needs a network interface' } } : {};

  function map(name: string, text: string): string {
    const path = join(home.work, name);
    writeFileSync(path, text);
    return path;
  }

  test('names a node by its address, and maps that differ are noticed', noAddress, async () => {
    const same = map('a.map', `# ours\n4 10.9.8.1 3\n7 ${own} 1\n`);
    const mosix = map('b.map', `10.9.8.1 2\n${own} 1 p\n`);
    await home.omx(['up']);
    const seventh = home.omxSpawn(['worker', '--map', same, '--slots', '1']);
    await up('node7');
    const third = home.omxSpawn(['worker', '--slots', '1', '--map', mosix]);
    await up('node3');
    const { all } = await checks();
    expect(all.find(({ name }) => name === 'map')).toMatchObject({
      verdict: 'warn',
      reason: expect.stringContaining('differ'),
    });
    await leave(third);
    const named = home.omxSpawn([
      'worker',
      '--name',
      'mine',
      '--slots',
      '1',
      '--map',
      map('c.map', `4 10.9.8.1 3 \n\n7\t${own} 1`),
    ]);
    await up('mine');
    // The same nodes, written differently; the node of the queue's own has none.
    expect((await checks()).all.find(({ name }) => name === 'map')).toMatchObject({
      reason: expect.stringContaining('joined without one'),
    });
    expect((await home.omx(['doctor', '--node', 'node7'])).stdout).toMatch(/ok +map +\S+a\.map, contents [0-9a-f]{16}/);
    await leave(seventh, named);
  });

  test.each([
    ['without this machine', '1 10.9.8.1 3\n', /cannot find this machine in \S+: none of this machine's addresses/],
    ['with a fault', '1 10.9.8.1 3\n2 10.9.8.1 1\n', /cannot use the map: \S+:2: node 2 is taken already by \S+:1/],
    ['with a run past the end', '1 10.9.8.250 9\n', /\S+:1: 9 addresses from 10\.9\.8\.250 on run past \.255/],
    ['that is empty', '# none\n', /\S+:1: the map is empty/],
  ])('%s is refused', async (_, text, message) => {
    const refused = await home.omx(['worker', '--map', map('bad.map', text)]);
    expect(refused.stderr).toMatch(message);
    expect(refused.stderr).toMatch(/^error: [^\n]+\nhint: [^\n]+\n$/);
    expect(refused.code).toBe(2);
  });

  test('that is not there is refused', async () => {
    const refused = await home.omx(['worker', '--map', join(home.work, 'none.map')]);
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringMatching(/cannot read the map .*none\.map/) });
  });
});
