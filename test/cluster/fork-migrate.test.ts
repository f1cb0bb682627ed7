import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { type JobJson, jobOf, logsOf, waitFor } from '../kit/batches.ts';
import type { ClusterNode } from '../kit/cluster/node.ts';
import { useCluster } from '../kit/cluster/use-cluster.ts';
import { processesOf } from '../kit/left-behind.ts';
import { needs, skipUnless } from '../kit/needs.ts';
import { root } from '../kit/open-home.ts';
import { until } from '../kit/until.ts';
import { criuReady } from '../kit/cluster/criu-ready.ts';
import { cpuOf, finish, folderOf, type Movable, startMovable } from './migration/steps.ts';

// Each node is a part of a processor, so that children crowd and all together leave some for the test.
const cluster = useCluster({ nodes: 3, cpus: [0.6, 0.6, 0.6], shared: 'until one fails' });
const here = { ...skipUnless('netns', 'criu', 'c++'), timeout: 240_000 };
const names = ['n1', 'n2', 'n3'];
const workerArgs = ['--slots', '2', '--lease', '8s'];

const multifibo = fileURLToPath(new URL('../../examples/multifibo/build/multifibo', import.meta.url));
const size = 44;
/** Of the program with four children that each compute a quarter of this time, whatever the machine's speed. */
const seconds = 8;
let built = '';
let undisturbed = '';

beforeAll(() => {
  if (needs('netns', 'criu', 'c++') !== undefined) return;
  execFileSync('sh', [join(root, 'examples/build.sh'), 'multifibo'], { stdio: 'ignore' });
  built = mkdtempSync('/tmp/omx-programs-');
  const source = join(root, 'packages/launch/test/criu/programs/burner.c');
  execFileSync('cc', ['-O1', '-o', join(built, 'burner'), source]);
  const cwd = mkdtempSync('/tmp/omx-programs-');
  execFileSync('touch', [join(cwd, 'finish')]);
  // It ends with the sum of its children's codes.
  undisturbed = execFileSync('sh', ['-c', '"$0" fork 0.1 || [ $? = 6 ]', join(built, 'burner')], {
    cwd,
    encoding: 'utf8',
  });
  rmSync(cwd, { recursive: true });
});
afterAll(() => rmSync(built, { recursive: true, force: true }));

/** The pids are others each time, and children write as they come. */
const tidy = (text: string): string =>
  text
    .replaceAll(/\[\d+\]/g, '[pid]')
    .split('\n')
    .sort()
    .join('\n');

/** What `multifibo` prints, tidied. */
function fibonacciNumbers(): string {
  const numbers = [1, 1];
  for (let n = 2; n <= size; n += 1) numbers.push((numbers[n - 1] ?? 0) + (numbers[n - 2] ?? 0));
  const lines = numbers
    .slice(1)
    .flatMap((number, at) => ['started', number, 'done [1]'].map((what) => `${at + 1} -> ${what}`));
  return tidy(`${lines.join('\n')}\nDone!\n`);
}

/** The folder of the cluster whose workers were started; a test that fails takes its cluster along. */
let startedIn = '';

/** Starts a job while all nodes can take children of it, and nothing of an earlier one is left. */
async function start(command: readonly string[]): Promise<Movable> {
  if (startedIn !== cluster.shared) await cluster.start(workerArgs);
  startedIn = cluster.shared;
  await criuReady(cluster, ...names);
  await until(() => [...all(awayFrom), ...all(copiesOn)], { is: (left) => left.length === 0 });
  return startMovable(cluster, command, { args: ['--fork-migrate'] });
}

const burner = (): readonly string[] => [join(built, 'burner'), 'fork', String(seconds)];

/** Outputs of the copies of others' children on a node. */
function copiesOn(name: string): string[] {
  const folder = join(folderOf(cluster, name), 'guests');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .map((each) => join(folder, each, 'folder', 'out'))
    .filter(existsSync);
}

/** Notes of a node's children that are elsewhere; those of one other node, where it is named. */
function awayFrom(name: string, guest?: string): string[] {
  const folder = join(folderOf(cluster, name), 'away');
  if (!existsSync(folder)) return [];
  const notes = readdirSync(folder).filter((each) => each.endsWith('.json'));
  return notes.filter((each) => {
    if (guest === undefined) return true;
    return (JSON.parse(readFileSync(join(folder, each), 'utf8')) as { guest: string }).guest === guest;
  });
}

/** The states of the burner's processes, wherever they are: one letter each, as in proc(5). */
function states({ cwd }: Movable): string[] {
  return processesOf(cwd)
    .filter(({ line }) => line.startsWith(join(built, 'burner')))
    .flatMap(({ pid }) => {
      try {
        return /\) (\S)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1] ?? [];
      } catch {
        return [];
      }
    });
}

/** No child computes twice: a copy that waits sleeps, as its parent does, and an original is stopped. */
function noneTwice(job: Movable): boolean {
  const running = states(job).filter((state) => state === 'R');
  return running.length > 4 ? expect.unreachable(`${running.length} processes of four children run`) : true;
}

const all = (what: (name: string) => string[]): string[] => names.flatMap((name) => what(name));

/** Waits until children of the job run elsewhere. @returns the job's home, and the nodes with copies */
async function spread({
  id,
}: Movable): Promise<{ home: ClusterNode; guests: readonly [ClusterNode, ...ClusterNode[]] }> {
  const written = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  await until(() => all(copiesOn).filter((path) => written(path) > 0), {
    is: (found) => found.length >= 2 && all(awayFrom).length >= 2,
    timeoutMs: 60_000,
  });
  const home = String((await jobOf(cluster, id)).node);
  expect(copiesOn(home)).toEqual([]);
  const [first, ...others] = cluster.nodes.filter(({ name }) => copiesOn(name).length > 0);
  if (first === undefined) throw new Error('no node has a copy');
  return { home: cluster.nodes.find(({ name }) => name === home) as ClusterNode, guests: [first, ...others] };
}

/** The burner ends as if it had not been disturbed, and nothing of it is left. */
async function endsWell(job: Movable, attempt = 1): Promise<JobJson> {
  finish(job);
  await until(async () => (await jobOf(cluster, job.id)).outcome !== null, {
    timeoutMs: 120_000,
    failIf: () => !noneTwice(job),
  });
  expect(tidy(await logsOf(cluster, job.id))).toBe(tidy(undisturbed));
  const ended = await jobOf(cluster, job.id);
  expect(ended).toMatchObject({ outcome: 'exited', exitCode: 6, attempt, migrations: 0 });
  await until(() => processesOf(job.cwd), { is: (left) => left.length === 0 });
  await until(() => all(awayFrom), { is: (left) => left.length === 0 });
  return ended;
}

test('the children of multifibo spread over the nodes, and it sees nothing of it', here, async () => {
  const job = await start([multifibo, String(size)]);
  // Its third largest child may have ended before the second is away; those of the burner are all of one size.
  await until(() => all(copiesOn).length > 0, { timeoutMs: 60_000 });
  expect(await waitFor(cluster, job.id)).toBe(0);
  expect(tidy(await logsOf(cluster, job.id))).toBe(fibonacciNumbers());
  expect((await cluster.omx(['why', job.id])).stdout).toContain('children of it run on other nodes (--fork-migrate)');
});

test(
  'codes, output and usage are right; copies take slots and pause with the job, which stays as a whole',
  here,
  async () => {
    const job = await start(burner());
    const { guests } = await spread(job);
    const running = async (): Promise<number> =>
      (await cluster.omx(['nodes', '--json'])).jsonLines().find(({ name }) => name === guests[0].name)
        .running as number;
    await until(running, { is: (now) => now > 0 });
    const refused = await cluster.omx(['migrate', job.id, '--to', guests[0].name]);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/on other nodes \(--fork-migrate\)/) });

    expect(await cluster.omx(['pause', job.id])).toMatchObject({ code: 0 });
    await until(() => states(job), { is: (now) => now.every((state) => /[Tt]/.test(state)) });
    expect(await cluster.omx(['resume', job.id])).toMatchObject({ code: 0 });
    // The originals of copies are traced, which is another letter.
    await until(() => states(job), { is: (now) => !now.includes('T') });

    const ended = await endsWell(job);
    expect(cpuOf(ended) / seconds).toBeGreaterThan(0.95);
    expect(cpuOf(ended) / seconds).toBeLessThan(1.05);
  },
);

test('a guest whose worker dies was never there', here, async () => {
  const job = await start(burner());
  const { guests } = await spread(job);
  guests[0].kill('SIGKILL');
  await endsWell(job);
  await guests[0].start(workerArgs);
});

test('a guest that is cut off lets its copies die, and they go on at home', here, async () => {
  const job = await start(burner());
  const found = await spread(job);
  await found.guests[0].cut();
  const { home, guests } = found;
  await until(() => awayFrom(home.name, guests[0].name).length === 0, {
    timeoutMs: 30_000,
    failIf: () => !noneTwice(job),
  });
  await guests[0].join();
  await endsWell(job);
});

test('a guest that is drained may send them home', here, async () => {
  const job = await start(burner());
  const { guests } = await spread(job);
  expect(await cluster.omx(['drain', guests[0].name, '--requeue', '--wait'])).toMatchObject({ code: 0 });
  expect(copiesOn(guests[0].name)).toEqual([]);
  await endsWell(job);
  expect(await cluster.omx(['undrain', guests[0].name])).toMatchObject({ code: 0 });
});

test("the home's worker may die and start again", here, async () => {
  const job = await start(burner());
  const { home } = await spread(job);
  home.kill('SIGKILL');
  await home.start(workerArgs);
  await endsWell(job);
});

test('a home that is cut off has no copies any more when others begin its job anew', here, async () => {
  const job = await start(burner());
  const { home } = await spread(job);
  await home.cut();
  const anew = async (): Promise<boolean> => {
    const { attempt, state } = await jobOf(cluster, job.id);
    return attempt === 2 && state === 'running';
  };
  await until(anew, { timeoutMs: 40_000, failIf: () => !noneTwice(job) });
  await home.join();
  await endsWell(job, 2);
});

test('a job that is cancelled takes its copies along', here, async () => {
  const job = await start(burner());
  await spread(job);
  await cluster.omx(['cancel', job.id]);
  await waitFor(cluster, job.id);
  await until(() => processesOf(job.cwd), { is: (left) => left.length === 0 });
  await until(() => [...all(awayFrom), ...all(copiesOn)], { is: (left) => left.length === 0 });
  expect(await jobOf(cluster, job.id)).toMatchObject({ outcome: 'cancelled' });
});
