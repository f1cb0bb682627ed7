import { appendFileSync, rmSync, statfsSync } from 'node:fs';
import { expect, test } from 'vitest';

import { submit } from '../kit/batches.ts';
import { useHome } from '../kit/home.ts';
import { skipUnless } from '../kit/needs.ts';
import { ownMounts } from '../kit/own-mounts.ts';
import { allWell, givenBack, linesFrom, succeeded } from '../kit/shortage.ts';
import { until } from '../kit/until.ts';

const home = useHome();
const kibibyte = 1024;

test(
  'short jobs wait while the disk is full, of what others have written and of their own output',
  skipUnless('root', 'netns'),
  async () => {
    const small = `mkdir -p "$OMX_HOME/nodes/n1" && mount -t tmpfs -o size=2m omx-test "$OMX_HOME/nodes/n1" && exec "$@"`;
    const node = home.omxSpawn(['worker', '--name', 'n1', '--slots', '2'], {
      through: ['unshare', '--mount', ...ownMounts, 'sh', '-c', small, '-'],
    });
    await until(() => node.stdout().includes('node is up'), { timeoutMs: 30_000 });
    const folder = `/proc/${node.pid}/root${home.dir}/nodes/n1`;
    const filler = `${folder}/filler`;
    const fill = (left: number): void => {
      const { bavail, bsize } = statfsSync(folder);
      appendFileSync(filler, Buffer.alloc(Math.max(0, bavail * bsize - left)));
    };
    /** Too little for another job, also when the worker lets go of something; those that run can still print. */
    const waits = async (since: number): Promise<void> => {
      await until(() => {
        fill(100 * kibibyte);
        return givenBack(node) > since;
      });
    };
    const jobs = 600;
    const last = jobs + 3000;
    // Each prints some 14 kB, so that a few of them fill what is left; not all may be over before it is.
    const argv = ['sh', '-c', 'seq "$1" "$2"; sleep 0.01', '-', '{}', String(last)];
    const lines = Array.from({ length: jobs }, (_, at) => linesFrom(at + 1, last)).flat();
    fill(0);
    const id = await submit(home, ['--array', `1-${jobs}`, '--', ...argv]);
    await waits(0);
    expect((await home.omx(['why', id])).stdout).toContain(
      'node n1 is short of room on the disk of its folder (ENOSPC)',
    );
    rmSync(filler);
    const before = await succeeded(home, id);
    await until(async () => (await succeeded(home, id)) >= before + 50);
    await waits(givenBack(node));
    expect(await succeeded(home, id)).toBeLessThan(jobs);
    rmSync(filler);
    await allWell(home, id, lines);
    node.kill();
    expect((await node.ended).code).toBe(0);
  },
);
