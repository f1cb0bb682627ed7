import { expect, test } from 'vitest';

import {
  countsOf,
  isAlive,
  jobsOf,
  killNow,
  linesOf,
  open,
  submit,
  traces,
  waitFor,
  workerPid,
} from '../kit/batches.ts';
import { useHome } from '../kit/home.ts';
import { until } from '../kit/until.ts';

const home = useHome();

const script = 'echo "$OMX_JOB $OMX_ATTEMPT" >>"$1/ran"; echo "out $OMX_JOB"; echo "err $OMX_JOB" >&2';
const count = 6000;
/** Some are left, however long the commands take that follow: until there is a file `go`, or one for the node. */
const atGate = 'until [ -e "$1/go" ] || [ -e "$1/go-$OMX_NODE" ]; do sleep 0.02; done';
const endless = `if [ "$OMX_JOB" -gt 5000 ]; then ${atGate}; fi; ${script}`;
const indices = (jobs: number): number[] => Array.from({ length: jobs }, (_, at) => at + 1);

/** The jobs that ran, each as often as it did. What was claimed and not started when a worker died runs in its next attempt. */
function ranIn(dir: string): number[] {
  return linesOf(`${dir}/ran`)
    .map((line) => Number.parseInt(line, 10))
    .sort((a, b) => a - b);
}

test('a worker killed at full speed loses no short job, runs none twice, and no output is missing', async () => {
  const dir = traces(home, 'killed');
  const id = await submit(home, ['--array', `1-${count}`, '--', 'sh', '-c', script, '-', dir]);
  for (const least of [300, 1200]) {
    await until(() => linesOf(`${dir}/ran`).length >= least, { timeoutMs: 40_000 });
    const [node = ''] = (await home.omx(['nodes', '--json'])).jsonLines().map(({ name }) => name);
    const killed = workerPid(home, node);
    await killNow(killed);
    expect((await home.omx(['status', id])).code).toBe(0);
    await until(() => workerPid(home, node), { is: (pid) => pid !== undefined && pid !== killed && isAlive(pid) });
  }
  expect(linesOf(`${dir}/ran`).length).toBeLessThan(count);
  expect(await waitFor(home, id)).toBe(0);
  expect(await countsOf(home, id)).toMatchObject({ succeeded: count });
  expect(ranIn(dir)).toEqual(indices(count));
  const jobs = await jobsOf(home, id);
  expect(jobs.filter(({ real, maxRss }) => real !== null && Number(maxRss) > 0)).toHaveLength(count);
  const out = new Map<string, string>();
  for (const { id: job, stream, text } of (await home.omx(['logs', id, '--both', '--json'])).jsonLines())
    out.set(`${job} ${stream}`, `${out.get(`${job} ${stream}`) ?? ''}${text}`);
  const wrong = jobs.filter(
    ({ id: job, index }) =>
      out.get(`${job} stdout`) !== `out ${index}\n` || out.get(`${job} stderr`) !== `err ${index}\n`,
  );
  expect(wrong.map(({ id: job }) => job)).toEqual([]);
});

test('a batch of short jobs that is cancelled starts no more of them', async () => {
  const dir = traces(home, 'cancelled');
  const id = await submit(home, ['--array', `1-${count}`, '--', 'sh', '-c', endless, '-', dir]);
  await until(() => linesOf(`${dir}/ran`).length >= 300, { timeoutMs: 20_000 });
  expect((await home.omx(['cancel', id])).code).toBe(0);
  expect(await waitFor(home, id)).toBe(1);
  const ran = linesOf(`${dir}/ran`);
  const { succeeded = 0, cancelled = 0 } = await countsOf(home, id);
  expect(succeeded + cancelled).toBe(count);
  expect(new Set(ran).size).toBe(ran.length);
  // Those that were killed while they ran.
  expect(ran.length - succeeded).toBeGreaterThanOrEqual(0);
  expect(ran.length - succeeded).toBeLessThanOrEqual(2);
  expect(cancelled).toBeGreaterThan(0);
});

test('two nodes share a batch of short jobs, and each job runs once', async () => {
  const dir = traces(home, 'shared');
  expect((await home.omx(['up', '--workers', '2', '--slots', '1'])).code).toBe(0);
  const id = await submit(home, ['--array', `1-${count}`, '--', 'sh', '-c', script, '-', dir]);
  expect(await waitFor(home, id)).toBe(0);
  expect(ranIn(dir)).toEqual(indices(count));
  const nodes = new Map<string | null, number>();
  for (const { node } of await jobsOf(home, id)) nodes.set(node, (nodes.get(node) ?? 0) + 1);
  expect(nodes.size).toBe(2);
  for (const jobs of nodes.values()) expect(jobs).toBeGreaterThan(count / 5);
});

test('a long job among short ones keeps none of them waiting', async () => {
  const dir = traces(home, 'long');
  const long = `if [ "$OMX_JOB" = 100 ]; then until [ -e "$1/go" ]; do sleep 0.02; done; fi; ${script}`;
  const id = await submit(home, ['--array', '1-300', '--', 'sh', '-c', long, '-', dir]);
  await until(() => linesOf(`${dir}/ran`), { is: (lines) => lines.length === 299, timeoutMs: 45_000 });
  expect(ranIn(dir)).not.toContain(100);
  open(`${dir}/go`);
  expect(await waitFor(home, id)).toBe(0);
  expect(ranIn(dir)).toEqual(indices(300));
});

test('a node that is drained gives back what has not started', async () => {
  const dir = traces(home, 'drained');
  expect((await home.omx(['up', '--workers', '2', '--slots', '1'])).code).toBe(0);
  const id = await submit(home, ['--array', `1-${count}`, '--', 'sh', '-c', endless, '-', dir]);
  await until(() => linesOf(`${dir}/ran`).length >= 300, { timeoutMs: 20_000 });
  const [{ name } = { name: '' }] = (await home.omx(['nodes', '--json'])).jsonLines();
  expect((await home.omx(['drain', name])).code).toBe(0);
  // What had been given to its shepherd by then may start yet.
  open(`${dir}/go-${name}`);
  expect((await home.omx(['drain', '--wait', name])).code).toBe(0);
  const drained = Date.now();
  open(`${dir}/go`);
  expect(await waitFor(home, id)).toBe(0);
  expect(ranIn(dir)).toEqual(indices(count));
  const later = (await jobsOf(home, id)).filter(({ startedAt }) => Date.parse(startedAt ?? '') > drained);
  expect(later.length).toBeGreaterThan(0);
  expect(later.filter(({ node }) => node === name)).toEqual([]);
});

test('no more short jobs run at once than there are slots', async () => {
  const dir = traces(home, 'places');
  expect((await home.omx(['up', '--slots', '2'])).code).toBe(0);
  // Each takes one of two places, of which there must be one.
  const place = 'cd "$1"; if mkdir a 2>/dev/null; then p=a; else mkdir b || exit 9; p=b; fi; sleep 0.001; rmdir $p';
  const id = await submit(home, ['--array', '1-3000', '--', 'sh', '-c', place, '-', dir]);
  // Whoever looks takes processor time, so that some jobs last longer, and those behind them are called back.
  const ended = async (): Promise<number> => {
    const { succeeded = 0, failed = 0 } = await countsOf(home, id);
    return succeeded + failed;
  };
  await until(ended, { is: (jobs) => jobs === 3000, timeoutMs: 60_000 });
  expect(await countsOf(home, id)).toMatchObject({ succeeded: 3000 });
});
