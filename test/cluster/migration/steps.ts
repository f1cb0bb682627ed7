import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'vitest';

import { type Commands, type JobJson, jobOf, open, submit } from '../../kit/batches.ts';
import type { Cluster } from '../../kit/cluster/cluster.ts';
import { criuReady } from '../../kit/cluster/criu-ready.ts';
import { imagesInMemory } from '../../kit/images-in-memory.ts';
import { processesOf } from '../../kit/left-behind.ts';
import { until } from '../../kit/until.ts';

/** A job that can be moved, with a folder of its own to run in. */
export interface Movable {
  readonly id: string;
  readonly cwd: string;
}

/** Starts a worker on each node, and waits until jobs can be moved to all of them. */
export async function startAll(cluster: Cluster, args: readonly string[]): Promise<void> {
  await cluster.start(args);
  await criuReady(cluster, ...cluster.nodes.map(({ name }) => name));
}

let made = 0;

/** Submits one job. `nodes`: the only ones it may run on. */
export async function startMovable(
  cluster: Pick<Cluster, 'omx' | 'shared'>,
  command: readonly string[],
  {
    nodes = [],
    launcher = 'criu',
    args = [],
  }: { readonly nodes?: readonly string[]; readonly launcher?: string; readonly args?: readonly string[] } = {},
): Promise<Movable> {
  made += 1;
  const cwd = join(cluster.shared, `job-${made}`);
  mkdirSync(cwd);
  const place = nodes.length === 0 ? [] : ['--node', nodes.join(',')];
  // Nobody but the test moves it.
  const fixed = ['--launcher', launcher, '--balance', 'off', '--cwd', cwd, ...place, ...args];
  return { id: await submit(cluster, [...fixed, '--', ...command]), cwd };
}

/** Lets a program come to its end that waits for it. */
export function finish({ cwd }: Movable): void {
  open(join(cwd, 'finish'));
}

type Visible = Commands & Pick<Cluster, 'shared'>;

/** Waits until the job runs, and has run: what was moved before its first step would prove little. */
export async function begins(commands: Visible, job: Movable, { waits = true } = {}): Promise<JobJson> {
  if (waits) await until(() => [...linesOf(commands, job).values()].some((lines) => lines > 0), { timeoutMs: 60_000 });
  return until(async () => jobOf(commands, job.id), { is: ({ state }) => state === 'running', timeoutMs: 30_000 });
}

/** So many lines each program prints before it waits for the file that lets it come to its end. */
const linesBeforeEnd = 90;

/** Waits until the job has printed more, if it is not about to wait for the test. */
export async function goesOn(commands: Pick<Cluster, 'shared'>, job: Movable): Promise<void> {
  const before = linesOf(commands, job);
  await until(() => [...linesOf(commands, job)], {
    is: (now) => now.some(([path, lines]) => lines > (before.get(path) ?? 0) || lines >= linesBeforeEnd),
    timeoutMs: 60_000,
  });
}

/**
 * The lines of a job's output, by file: one for each node that has or had it. Read where the nodes keep them, as a command
 * takes a good part of a second of processor time, and so would take more of it than what is waited for.
 */
function linesOf({ shared }: Pick<Cluster, 'shared'>, { id }: Movable): Map<string, number> {
  const top = dirname(shared);
  const homes = [top, ...entries(top)].map((home) => join(home, 'nodes'));
  const files = homes
    .flatMap(entries)
    .flatMap((node) => [
      ...entries(join(node, 'jobs', id)).map((attempt) => join(attempt, 'out')),
      ...entries(join(node, 'out', id)).filter((path) => path.endsWith('.out')),
    ]);
  return new Map(
    files.flatMap((path) => {
      try {
        return [[path, readFileSync(path, 'utf8').split('\n').length - 1]];
      } catch {
        return [];
      }
    }),
  );
}

/** Paths of what is in a folder; none where it is no folder, or none any more. */
export function entries(folder: string): string[] {
  try {
    return readdirSync(folder).map((name) => join(folder, name));
  } catch {
    return [];
  }
}

/** `omx migrate`, and what must be so afterwards. */
export async function move(commands: Commands, { id }: Movable, to: string): Promise<void> {
  const { code, stdout, stderr } = await commands.omx(['migrate', id, '--to', to]);
  expect({ code, stderr }, stdout).toEqual({ code: 0, stderr: '' });
  expect(await jobOf(commands, id)).toMatchObject({ state: 'running', node: to });
}

/** The node's state folder. */
export function folderOf({ shared }: Pick<Cluster, 'shared'>, node: string): string {
  return join(dirname(shared), node, 'nodes', node);
}

/** Files of jobs and of images in a node's folder. */
export function leftOn(cluster: Pick<Cluster, 'shared'>, node: string): string[] {
  const top = folderOf(cluster, node);
  const files = ['jobs', 'leaving', 'arriving', 'images', 'out'].flatMap((part) => {
    const folder = join(top, part);
    if (!existsSync(folder)) return [];
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name));
  });
  return [...files, ...imagesInMemory(top)];
}

/** Waits until neither a process of the job nor a file is left on any of these nodes. */
export async function nothingLeft(
  cluster: Pick<Cluster, 'shared'>,
  { cwd }: Movable,
  nodes: readonly string[],
): Promise<void> {
  await until(() => processesOf(cwd), { is: (left) => left.length === 0, timeoutMs: 15_000 });
  await until(() => nodes.flatMap((node) => leftOn(cluster, node)), {
    is: (left) => left.length === 0,
    timeoutMs: 15_000,
  });
}

/** Waits until these have ended, however long they are. */
export async function ends(commands: Commands, ...jobs: readonly Movable[]): Promise<void> {
  const { code, stderr } = await commands.omx(['wait', '-q', ...jobs.map(({ id }) => id)], { timeoutMs: 300_000 });
  expect([0, 1], stderr).toContain(code);
}

/** Seconds of processor time. */
export function cpuOf({ user, sys }: JobJson): number {
  return (user ?? Number.NaN) + (sys ?? Number.NaN);
}
