import { appendFileSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { type Commands, finish as finishBatch, jobOf, logsOf, submit, waitFor } from '../../kit/batches.ts';
import { criuReady } from '../../kit/cluster/criu-ready.ts';
import { mountOn } from '../../kit/cluster/mounted.ts';
import type { ClusterNode } from '../../kit/cluster/node.ts';
import { useCluster } from '../../kit/cluster/use-cluster.ts';
import { skipUnless } from '../../kit/needs.ts';
import { until } from '../../kit/until.ts';
import { finish, type Movable, move, nothingLeft, startMovable } from './steps.ts';

const here = skipUnless('netns', 'criu');

/** Goes on until it may end. */
const waiting = (shell = 'sh'): readonly string[] => [
  shell,
  '-c',
  'echo begun; until [ -e finish ]; do sleep 0.02; done; echo done',
];

async function begun(commands: Commands, job: Movable): Promise<void> {
  await until(async () => (await logsOf(commands, job.id)) === 'begun\n', { timeoutMs: 30_000 });
}

describe('a move that cannot be is refused with its reason, and the job goes on', () => {
  const cluster = useCluster({ nodes: 4, shared: true });
  /** Of the batch's user: movable, on n1. */
  let job: Movable;
  /** The same with a program of its own, which stands in a folder of its own. */
  let special: Movable;
  let program = '';
  let folder = '';
  /** Fills the only slot of n2. */
  let filler: Movable;

  beforeAll(async () => {
    if (here.skip) return;
    const [one, ...others] = cluster.nodes;
    await one?.start(['--slots', '4']);
    // Not in a folder for temporary files: what stands there goes along with a job.
    // What lies in a folder for temporary files goes along with a job, and the clone may be in one.
    folder = mkdtempSync(join(homedir(), '.omx-test-'));
    program = join(folder, 'shell');
    copyFileSync('/bin/sh', program);
    job = await startMovable(cluster, waiting());
    special = await startMovable(cluster, waiting(program));
    await Promise.all([begun(cluster, job), begun(cluster, special)]);
    await Promise.all(
      others.map((node) =>
        node.start(
          node.name === 'n3' ? ['--slots', '2', '--launcher', 'plain'] : ['--slots', node.name === 'n2' ? '1' : '2'],
        ),
      ),
    );
    await criuReady(cluster, 'n1', 'n2', 'n4');
    filler = await startMovable(cluster, waiting(), { nodes: ['n2'] });
    await begun(cluster, filler);
  }, 120_000);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** @returns what it says on stderr: one or two lines for a person */
  async function refused(selector: string, to: string, code = 1): Promise<string> {
    const result = await cluster.omx(['migrate', selector, '--to', to]);
    expect(result.code, result.stdout + result.stderr).toBe(code);
    expect(result.stderr).toMatch(/^[^\n]+\n([^\n]+\n)?$/);
    expect(result.stderr).not.toMatch(/^\s+at /m);
    return result.stderr;
  }

  test('an unknown target', here, async () => {
    expect(await refused(job.id, 'n9', 4)).toMatch(/n9/);
  });

  test('the node where it is', here, async () => {
    expect(await refused(job.id, 'n1')).toMatch(/n1/);
  });

  test('a node that is drained', here, async () => {
    expect(await cluster.omx(['drain', 'n4', '--reason', 'new disk'])).toMatchObject({ code: 0 });
    expect(await refused(job.id, 'n4')).toMatch(/n4.*drain/);
    expect(await cluster.omx(['undrain', 'n4'])).toMatchObject({ code: 0 });
  });

  test('a node without a free slot', here, async () => {
    expect(await refused(job.id, 'n2')).toMatch(/n2.*slot/);
  });

  test('a node that does not offer CRIU', here, async () => {
    expect(await refused(job.id, 'n3')).toMatch(/n3.*criu/i);
  });

  test('a node without the program', here, async () => {
    const four = cluster.nodes[3] as ClusterNode;
    const unmount = await mountOn(four, ['-t', 'tmpfs', 'none'], folder);
    expect(await refused(special.id, 'n4')).toContain(`${program} is missing`);
    await unmount();
  });

  test('a node with another build of the program', here, async () => {
    const other = join(cluster.shared, 'other');
    copyFileSync('/bin/sh', other);
    appendFileSync(other, 'another one');
    const unmount = await mountOn(cluster.nodes[3] as ClusterNode, ['--bind', other], program);
    expect(await refused(special.id, 'n4')).toContain(program);
    await unmount();
    // With nothing in its way it goes.
    await move(cluster, special, 'n4');
  });

  test('jobs that have ended or do not run', here, async () => {
    const ended = await finishBatch(cluster, ['--launcher', 'criu', '--', 'true']);
    expect(await refused(ended, 'n4')).toMatch(/ended|succeeded/);
    const held = await submit(cluster, ['--hold', '--launcher', 'criu', '--', 'true']);
    expect(await refused(held, 'n4')).toMatch(/held|none of these jobs runs/);
    expect(await cluster.omx(['cancel', held])).toMatchObject({ code: 0 });
    expect(await refused('b999', 'n4', 4)).toContain('b999');
  });

  test('a job that was started plainly', here, async () => {
    const plain = await startMovable(cluster, waiting(), { nodes: ['n1'], launcher: 'plain' });
    await begun(cluster, plain);
    expect(await refused(plain.id, 'n4')).toMatch(/plain[^]*--launcher criu/);
    finish(plain);
    expect(await waitFor(cluster, plain.id)).toBe(0);
  });

  test('through all of it they have gone on', here, async () => {
    expect(await jobOf(cluster, job.id)).toMatchObject({ state: 'running', node: 'n1', migrations: 0, attempt: 1 });
    for (const each of [job, special, filler]) finish(each);
    expect(await waitFor(cluster, job.id, special.id, filler.id)).toBe(0);
    for (const each of [job, special, filler]) expect(await logsOf(cluster, each.id)).toBe('begun\ndone\n');
    for (const each of [job, special, filler]) await nothingLeft(cluster, each, ['n1', 'n2', 'n3', 'n4']);
  });
});
