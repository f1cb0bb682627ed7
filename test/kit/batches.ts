import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';

import { type OmxOptions, type RunningOmx, type TestHome } from './home.ts';
import { until } from './until.ts';

/** A line of `omx jobs --json`. */
export interface JobJson {
  readonly id: string;
  readonly index: number;
  readonly state: string;
  readonly outcome: string | null;
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly attempt: number;
  readonly node: string | null;
  readonly launcher: string | null;
  readonly queuedAt: string;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly real: number | null;
  readonly user: number | null;
  readonly sys: number | null;
  readonly maxRss: number | null;
  readonly migrations: number;
  readonly argv: readonly string[];
}

/** Where commands can be run: a test's home, or a machine of a cluster. */
export type Commands = Pick<TestHome, 'omx'>;

/** Submits and returns the batch's id. */
export async function submit(home: Commands, args: readonly string[], options?: OmxOptions): Promise<string> {
  const { code, stdout, stderr } = await home.omx(['submit', '-q', ...args], options);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout.trim();
}

/** Submits, waits until all jobs have ended, well or not, and returns the batch's id. */
export async function finish(home: Commands, args: readonly string[], options?: OmxOptions): Promise<string> {
  const { code, stdout, stderr } = await home.omx(['submit', '-q', '--wait', ...args], options);
  expect([0, 1], stderr).toContain(code);
  return stdout.trim();
}

/** How many jobs of the batch are in each state. */
export async function countsOf(home: Commands, id: string): Promise<Record<string, number>> {
  return (await home.omx(['status', id, '--json'])).json().counts;
}

export async function jobsOf(home: Commands, ...selectors: readonly string[]): Promise<JobJson[]> {
  const { code, stderr, jsonLines } = await home.omx(['jobs', ...selectors, '--json']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return jsonLines<JobJson>();
}

export async function jobOf(home: Commands, selector: string): Promise<JobJson> {
  const [job, ...others] = await jobsOf(home, selector);
  if (job === undefined || others.length > 0) throw new Error(`${selector} is not one job`);
  return job;
}

/** Waits for the end of the jobs; the exit code is 0 where all succeeded and 1 where not. */
export async function waitFor(home: Commands, ...selectors: readonly string[]): Promise<number> {
  const { code, stderr } = await home.omx(['wait', '-q', ...selectors]);
  expect([0, 1], stderr).toContain(code);
  return code;
}

/** What `omx logs` prints. */
export async function logsOf(home: Commands, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await home.omx(['logs', ...args]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

/** A worker of the test's own, so that its name and its slots are known. */
export async function startNode(
  home: TestHome,
  {
    name = 'n1',
    slots = 2,
    args = [],
    env = {},
  }: {
    readonly name?: string;
    readonly slots?: number;
    readonly args?: readonly string[];
    readonly env?: Record<string, string>;
  } = {},
): Promise<RunningOmx> {
  const node = home.omxSpawn(['worker', '--name', name, '--slots', String(slots), ...args], { env });
  let ended = false;
  void node.ended.then(() => (ended = true));
  await until(() => node.stdout().includes('node is up'), {
    timeoutMs: 30_000,
    failIf: () => ended && `the worker ended: ${node.stdout()}${node.stderr()}`,
  });
  return node;
}

/** The process id of the home's worker; undefined where none is noted. */
export function workerPid(home: Pick<TestHome, 'dir'>, name: string): number | undefined {
  return pidIn(join(home.dir, 'nodes', name, 'worker.pid'));
}

export function shepherdPid(home: Pick<TestHome, 'dir'>, name: string): number | undefined {
  return pidIn(join(home.dir, 'nodes', name, 'shepherd.lock'));
}

export function serverPid(home: TestHome): number | undefined {
  return pidIn(join(home.dir, 'redis.pid'));
}

function pidIn(path: string): number | undefined {
  const pid = existsSync(path) ? Number.parseInt(readFileSync(path, 'utf8'), 10) : 0;
  return pid > 1 ? pid : undefined;
}

export function isAlive(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}

/** SIGKILL, and waits until the process is gone. */
export async function killNow(pid: number | undefined): Promise<void> {
  if (pid === undefined) throw new Error('there is no such process');
  process.kill(pid, 'SIGKILL');
  await until(() => !isAlive(pid));
}

/** The lines of a file that jobs append to; none while it is not there. */
export function linesOf(path: string): string[] {
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];
}

/** An empty folder in the home's work folder, where jobs leave their traces. */
export function traces(home: TestHome, name: string): string {
  let dir = join(home.work, name);
  // A second go has one of its own.
  while (existsSync(dir)) dir += '-again';
  mkdirSync(dir);
  return dir;
}

/** Makes the empty file that a latch waits for. */
export function open(path: string): void {
  writeFileSync(path, '');
}
