import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';

import { jobOf, jobsOf, startNode, submit, traces, waitFor } from '../kit/batches.ts';
import { useHome } from '../kit/home.ts';
import { skipUnless } from '../kit/needs.ts';
import { ownMounts } from '../kit/own-mounts.ts';
import { until } from '../kit/until.ts';

const home = useHome();

interface NodeJson {
  readonly name: string;
  readonly state: string;
  readonly reason: string;
}

async function nodeOf(name: string): Promise<NodeJson | undefined> {
  const nodes = (await home.omx(['nodes', '--json'])).jsonLines<NodeJson>();
  return nodes.find((node) => node.name === name);
}

async function whyOf(id: string): Promise<string> {
  return (await home.omx(['why', id])).stdout;
}

async function stateBecomes(name: string, state: string, timeoutMs = 20_000): Promise<NodeJson> {
  return until(() => nodeOf(name), { is: (node) => node?.state === state, timeoutMs });
}

describe('a node on which jobs fail that others run well', () => {
  const wellOnlyOn = (node: string): string[] => ['--shell', '--', `test "$OMX_NODE" = ${node} && sleep 0.2`];

  test('is quarantined, and its jobs are run by others as if they had not failed', async () => {
    await startNode(home, { name: 'good', slots: 1 });
    await startNode(home, { name: 'bad', slots: 1 });
    const id = await submit(home, ['--array', '1-20', '--retries', '1', '--backoff', '1h', ...wellOnlyOn('good')]);
    const bad = await stateBecomes('bad', 'quarantined');
    expect(bad.reason).toMatch(new RegExp(`^\\d+ jobs of ${id} in a row failed here at once, while other nodes ran`));
    expect(await waitFor(home, id)).toBe(0);
    const jobs = await jobsOf(home, id);
    expect(new Set(jobs.map(({ state, node }) => `${state} on ${node}`))).toEqual(new Set(['succeeded on good']));
    // No attempt waited for its retry, an hour away.
    const again = jobs.filter(({ attempt }) => attempt === 2);
    expect(again.length).toBeGreaterThanOrEqual(5);
    expect(await whyOf(again[0]?.id ?? '')).toMatch(
      /attempt 1: exited with code 1 on bad after .*; not counted, as bad was put in quarantine/,
    );
    const doctor = (await home.omx(['doctor'])).stdout;
    expect(doctor).toContain(bad.reason);
    expect(doctor).toContain('omx undrain bad');
    // What fails nowhere else is no reason to trust it.
    expect((await nodeOf('bad'))?.state).toBe('quarantined');
    const waiting = await submit(home, ['--node', 'bad', '--', 'true']);
    expect(await whyOf(waiting)).toContain(`bad is in quarantine: ${bad.reason}`);
    expect((await home.omx(['undrain', 'bad'])).stdout).toBe('bad: takes jobs again\n');
    expect(await waitFor(home, waiting)).toBe(0);
  });

  test('has jobs that wait for a retry given back theirs', async () => {
    await startNode(home, { name: 'good', slots: 1 });
    await startNode(home, { name: 'bad', slots: 1 });
    const id = await submit(home, ['--array', '1-20', '--retries', '3', '--backoff', '10ms', ...wellOnlyOn('good')]);
    await stateBecomes('bad', 'quarantined');
    expect(await waitFor(home, id)).toBe(0);
  });

  test('is trusted again when the same jobs fail elsewhere', async () => {
    await startNode(home, { name: 'first', slots: 1 });
    await startNode(home, { name: 'second', slots: 1 });
    const dir = traces(home, 'failed');
    // Each job is well or not, but all that `first` happens to get are not.
    // They take as long on both, so that each node has its share.
    const script = `sleep 0.1; if test $OMX_NODE = first; then touch ${dir}/$OMX_JOB; exit 3; fi; test ! -e ${dir}/$OMX_JOB`;
    const id = await submit(home, ['--array', '1-60', '--shell', '--', script]);
    expect(await waitFor(home, id)).toBe(1);
    const failed = (await jobsOf(home, id)).filter(({ state }) => state === 'failed');
    const twice = failed.find(({ attempt }) => attempt === 2);
    expect(await whyOf(twice?.id ?? '')).toContain('not counted, as first was put in quarantine');
    await stateBecomes('first', 'up');
    expect(failed.every(({ attempt }) => attempt <= 2)).toBe(true);
  });
});

test('a batch that fails everywhere puts no node in quarantine', async () => {
  await startNode(home, { name: 'n1' });
  await startNode(home, { name: 'n2' });
  const id = await submit(home, ['--array', '1-50', '--', 'false']);
  expect(await waitFor(home, id)).toBe(1);
  expect((await jobsOf(home, id)).every(({ attempt, state }) => attempt === 1 && state === 'failed')).toBe(true);
  const then = await submit(home, ['--array', '1-4', '--', 'true']);
  expect(await waitFor(home, then)).toBe(0);
  for (const name of ['n1', 'n2']) expect((await nodeOf(name))?.state).toBe('up');
});

/** Runs a command where /tmp takes nothing, but for the home. */
const readOnlyTmp = `mount --bind "$OMX_HOME" /mnt && mount --bind /tmp /tmp && mount -o remount,bind,ro /tmp &&
  mount --bind /mnt "$OMX_HOME" && exec "$@"`;

test(
  'a node with a broken /tmp keeps its jobs, alone as it is, and takes them when it is mended',
  skipUnless('root', 'netns'),
  async () => {
    const node = home.omxSpawn(['worker', '--name', 'n1', '--slots', '2'], {
      through: ['unshare', '--mount', ...ownMounts, 'sh', '-c', readOnlyTmp, '-'],
    });
    await until(() => node.stdout().includes('node is up'));
    const id = await submit(home, [
      '--array',
      '1-20',
      '--max-fails',
      '0',
      '--shell',
      '--',
      'rm "$(mktemp /tmp/omx-test.XXXXXX)"',
    ]);
    const { reason } = await stateBecomes('n1', 'quarantined');
    expect(reason).toMatch(/^it cannot write in \/tmp: EROFS/);
    await until(async () => (await home.omx(['status', id, '--json'])).json().counts.queued, {
      is: (queued) => queued === 20,
    });
    expect(await whyOf(`${id}.20`)).toContain(`n1 is in quarantine: ${reason}`);
    execFileSync('nsenter', ['-t', String(node.pid), '--mount', 'mount', '-o', 'remount,bind,rw', '/tmp']);
    expect(await waitFor(home, id)).toBe(0);
    expect((await nodeOf('n1'))?.state).toBe('up');
    const { attempt, state } = await jobOf(home, `${id}.1`);
    expect({ attempt, state }).toEqual({ attempt: 2, state: 'succeeded' });
  },
);
