import { join } from 'node:path';
import { expect, test } from 'vitest';

import { jobOf, logsOf, open, waitFor } from '../../kit/batches.ts';
import { useCluster } from '../../kit/cluster/use-cluster.ts';
import { skipUnless } from '../../kit/needs.ts';
import { until } from '../../kit/until.ts';
import { begins, finish, move, nothingLeft, startAll, startMovable } from './steps.ts';

const cluster = useCluster({ nodes: 3 });

const last = 60;
/** Counts slowly on both streams, and goes on only when it may: `omx tail` begins with the last ten lines. */
const counter = `i=0; while [ $i -lt ${last} ]; do
  i=$((i + 1)); echo "out $i"; echo "err $i" >&2; sleep 0.05
  while [ $i = 1 ] && [ ! -e begin ]; do sleep 0.02; done
  while [ $i = 50 ] && [ ! -e finish ]; do sleep 0.02; done
done`;
const counted = (stream: string): string => Array.from({ length: last }, (_, at) => `${stream} ${at + 1}\n`).join('');

test(
  'omx tail -f goes on over moves, every byte once and in order, and all that is told of them is so',
  {
    ...skipUnless('netns', 'criu'),
    timeout: 120_000,
  },
  async () => {
    await startAll(cluster, ['--slots', '1']);
    const job = await startMovable(cluster, ['sh', '-c', counter]);
    const tail = cluster.omxSpawn(['tail', '-f', job.id]);
    const feed = cluster.omxSpawn(['events', '-f', job.id]);
    await until(() => tail.stdout() !== '' && tail.stderr() !== '', { timeoutMs: 30_000 });
    open(join(job.cwd, 'begin'));
    const { node: first } = await begins(cluster, job);
    const way = ['n1', 'n2', 'n3'].filter((name) => name !== first);
    const stays = [...way, String(first), ...way];
    for (const to of stays) {
      const seen = tail.stdout().length;
      await move(cluster, job, to);
      // It goes on at its new place, if it has not come to where it waits.
      await until(() => tail.stdout().length, { is: (now) => now > seen || tail.stdout().includes('out 50\n') });
    }
    finish(job);
    expect(await waitFor(cluster, job.id)).toBe(0);
    expect(await tail.ended).toMatchObject({ code: 0, stdout: counted('out'), stderr: counted('err') });
    expect(await logsOf(cluster, job.id)).toBe(counted('out'));
    expect(await jobOf(cluster, job.id)).toMatchObject({ node: stays.at(-1), migrations: stays.length, attempt: 1 });

    const { stdout: why } = await cluster.omx(['why', job.id]);
    for (const to of stays) expect(why).toMatch(new RegExp(`moved from n\\d to ${to} \\(omx migrate\\)`));
    const moves = (await cluster.omx(['events', job.id]))
      .jsonLines<{ type: string; from?: string; to?: string }>()
      .filter(({ type }) => type === 'job-moved');
    expect(moves.map(({ from, to }) => [from, to])).toEqual(stays.map((to, at) => [stays[at - 1] ?? first, to]));
    await until(() => feed.stdout().match(/job-moved/g)?.length === stays.length);
    feed.kill('SIGINT');
    await feed.ended;
    await nothingLeft(cluster, job, ['n1', 'n2', 'n3']);
  },
);
