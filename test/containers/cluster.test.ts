import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';

import type { JobJson } from '../kit/batches.ts';
import { until } from '../kit/until.ts';
import { shared, useCluster } from './cluster.ts';
import type { ClusterNode } from './cluster-node.ts';
import { skipUnlessContainers } from './run.ts';

/** How soon others must have taken what a node ran that is gone: its lease and the time to notice it. */
const rescueMs = 15_000;

describe('three nodes in containers', skipUnlessContainers(), () => {
  const cluster = useCluster(['altair', 'deneb', 'vega'], { slots: 4 });
  // What a test that failed left.
  afterEach(async () => {
    await cluster.mend();
    await cluster.omx(['cancel', 'all', '--grace', '0s']);
  });

  test('jobs are spread, and output, results and times are the same from every node and from outside', async () => {
    const job = await startJobs('spread', 6);
    const running = await jobsWhen(job.batch, (jobs) => jobs.every(({ state }) => state === 'running'));
    const names = cluster.nodes.map(({ name }) => name);
    for (const name of names) expect(running.filter(({ node }) => node === name).length).toBeGreaterThanOrEqual(1);

    job.open(1, 2, 3, 4, 5, 6);
    expect((await cluster.omx(['wait', job.batch])).code).toBe(0);
    for (const verb of ['logs', 'results', 'jobs']) {
      const { code, stdout } = await cluster.omx([verb, job.batch]);
      expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/\S/) });
      const inside = await Promise.all(cluster.nodes.map((node) => node.exec('omx', verb, job.batch)));
      for (const { output } of inside) expect(output).toBe(stdout);
    }
    const { stdout } = await cluster.omx(['logs', job.batch]);
    expect(stdout.split('\n').sort()).toEqual(['', ...[1, 2, 3, 4, 5, 6].map((index) => `job=${index} attempt=1`)]);
  });

  test('a node that is cut off stops its jobs before others run them, and ends them when it is back', async () => {
    const job = await startJobs('cut', 6);
    const victim = await busiest(job.batch);
    const [early = 0, ...late] = victim.jobs;
    await victim.node.cut();
    const cutAt = Date.now();
    // It ends in time, but nobody can hear of it.
    job.open(early);

    const rescued = await startedAgain(job.batch, victim.jobs);
    for (const index of victim.jobs) {
      const { startedAt, node } = at(rescued, index);
      expect(Date.parse(startedAt ?? '') - cutAt).toBeLessThan(rescueMs);
      expect(node).not.toBe(victim.node.name);
    }
    expect(at(await jobsWhen(job.batch, (jobs) => at(jobs, early).state === 'succeeded'), early).attempt).toBe(2);
    expect(new Set(await victim.node.processes(job.folder))).toEqual(new Set(['T']));
    expect((await victim.node.exec('sh', '/opt/omx/docker/healthy.sh')).code).toBe(1);
    for (const index of late) expect(job.lastTick(index, 1)).toBeLessThan(job.firstTick(index, 2));

    await victim.node.join();
    await until(() => victim.node.processes(job.folder), { is: (found) => found.length === 0, timeoutMs: 20_000 });
    const why = async () => (await cluster.omx(['why', `${job.batch}.${early}`])).stdout;
    await until(why, { is: (text) => text.includes('superseded') });
    await until(() => victim.node.exec('sh', '/opt/omx/docker/healthy.sh'), { is: ({ code }) => code === 0 });
    await job.finish();
    for (const index of late) expect(job.lastTick(index, 1)).toBeLessThan(job.firstTick(index, 2));
  });

  test('a node that stands still past its lease ends what others have taken', async () => {
    const job = await startJobs('pause', 6);
    const victim = await busiest(job.batch);
    await victim.node.pause();
    const pausedAt = Date.now();
    const rescued = await startedAgain(job.batch, victim.jobs);
    for (const index of victim.jobs)
      expect(Date.parse(at(rescued, index).startedAt ?? '') - pausedAt).toBeLessThan(rescueMs);
    // And a shell that was just about to ask for the date.
    expect((await victim.node.processes(job.folder)).length).toBeGreaterThanOrEqual(victim.jobs.length);

    await victim.node.unpause();
    await until(() => victim.node.processes(job.folder), { is: (found) => found.length === 0, timeoutMs: 20_000 });
    await job.finish();
  });

  test('a node that is killed is replaced at once by the others, and later by itself', async () => {
    const job = await startJobs('kill', 6);
    const victim = await busiest(job.batch);
    await victim.node.kill();
    const killedAt = Date.now();
    const rescued = await startedAgain(job.batch, victim.jobs);
    for (const index of victim.jobs)
      expect(Date.parse(at(rescued, index).startedAt ?? '') - killedAt).toBeLessThan(rescueMs);
    await job.finish();

    // Process ids are few in a container: sooner or later the dead worker's is another process's, or a thread's.
    for (let time = 1; time <= 5; time += 1) {
      await victim.node.start();
      const again = await cluster.omx(['run', '--cwd', '/', '--node', victim.node.name, '--', 'hostname']);
      expect({ time, ...again }).toMatchObject({ time, code: 0, stdout: `${victim.node.name}\n` });
      if (time < 5) await victim.node.kill();
    }
  });

  test('a Redis server that is killed and started again costs no job its attempt', async () => {
    const job = await startJobs('redis', 6);
    await jobsWhen(job.batch, (jobs) => jobs.every(({ state }) => state === 'running'));
    await cluster.redis.kill();
    const ticks = job.ticks();
    job.open(1, 2);
    await until(() => job.ticks(), { is: (now) => now > ticks + 12 });
    await cluster.redis.start();
    await job.finish();
    const jobs = await jobsWhen(job.batch, () => true);
    expect(jobs.map(({ attempt, state }) => ({ attempt, state }))).toEqual(
      Array.from({ length: 6 }, () => ({ attempt: 1, state: 'succeeded' })),
    );
  });

  /**
   * Jobs that write where and when they run, until they are let go on. They start all at once, some on each node.
   * A line of the ticks: index, attempt, node, milliseconds.
   */
  async function startJobs(of: string, count: number) {
    // A test's second go must not find the traces of its first.
    const name = `${of}-${Date.now()}`;
    mkdirSync(cluster.path(name));
    chmodSync(cluster.path(name), 0o777);
    const folder = `${shared}/${name}`;
    const script = `
      while [ ! -e ${folder}/go.$1 ]; do
        echo "$1 $OMX_ATTEMPT $OMX_NODE $(date +%s%3N)" >>${folder}/ticks
        sleep 0.2
      done
      echo "job=$1 attempt=$OMX_ATTEMPT"`;
    const words = ['--cwd', '/', '--parse', 'keyvalue', '--array', `1-${count}`, '--', 'sh', '-c', script, 'job', '{}'];
    const submitted = await cluster.omx(['submit', '--json', ...words]);
    expect(submitted).toMatchObject({ code: 0, stderr: '' });
    const batch: string = submitted.json().id;

    const lines = (): string[][] => cluster.lines(`${name}/ticks`).map((line) => line.split(' '));
    const times = (index: number, attempt: number): number[] =>
      lines()
        .filter(([job, number]) => job === String(index) && number === String(attempt))
        .map(([, , , time]) => Number(time));
    const open = (...indices: readonly number[]): void => {
      for (const index of indices) writeFileSync(cluster.path(`${name}/go.${index}`), '');
    };
    return {
      batch,
      folder,
      /** Lets these jobs go on to their end. */
      open,
      ticks: () => lines().length,
      firstTick: (index: number, attempt: number) => Math.min(...times(index, attempt)),
      lastTick: (index: number, attempt: number) => Math.max(...times(index, attempt)),
      /** Lets all go on; each must succeed, and be counted once. */
      finish: async () => {
        open(...Array.from({ length: count }, (_, index) => index + 1));
        expect(await cluster.omx(['wait', batch])).toMatchObject({ code: 0 });
        const { counts } = (await cluster.omx(['status', batch, '--json'])).json();
        expect(counts).toMatchObject({ succeeded: count, failed: 0, lost: 0, running: 0, queued: 0 });
        const results = (await cluster.omx(['results', batch, '--json'])).jsonLines();
        expect(results.map(({ job }) => Number(job)).sort((a, b) => a - b)).toEqual(
          Array.from({ length: count }, (_, at) => at + 1),
        );
      },
    };
  }

  async function jobsWhen(batch: string, is: (jobs: readonly JobJson[]) => boolean): Promise<readonly JobJson[]> {
    return until(async () => (await cluster.omx(['jobs', batch, '--json'])).jsonLines<JobJson>(), {
      is: (jobs) => jobs.length > 0 && is(jobs),
      timeoutMs: 30_000,
    });
  }

  /** Waits until these jobs run for the second time. */
  async function startedAgain(batch: string, indices: readonly number[]): Promise<readonly JobJson[]> {
    return jobsWhen(batch, (jobs) =>
      indices.every((index) => at(jobs, index).attempt === 2 && at(jobs, index).startedAt !== null),
    );
  }

  /** The node with the most jobs of a batch, at least two, once all run. */
  async function busiest(batch: string): Promise<{ readonly node: ClusterNode; readonly jobs: readonly number[] }> {
    const running = await jobsWhen(batch, (jobs) => jobs.every(({ state }) => state === 'running'));
    const loads = cluster.nodes.map((node) => ({
      node,
      jobs: running.filter((job) => job.node === node.name).map(({ index }) => index),
    }));
    const [most] = loads.sort((a, b) => b.jobs.length - a.jobs.length);
    if (most === undefined || most.jobs.length < 2) throw new Error('six jobs on three nodes');
    return most;
  }
});

function at(jobs: readonly JobJson[], index: number): JobJson {
  const job = jobs.find((each) => each.index === index);
  if (job === undefined) throw new Error(`there is no job ${index}`);
  return job;
}
