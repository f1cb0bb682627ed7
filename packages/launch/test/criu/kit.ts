import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bytesOf, type Bytes, type Usage } from '@omx/core';
import { afterAll, afterEach, expect } from 'vitest';
import { until } from '../../../../test/kit/until.ts';
import {
  capsuleBinary,
  capsuleShape,
  usableCriu,
  freeze,
  readMembers,
  readStatus,
  runArgv,
  thaw,
  wholeUsage,
  type CapsuleJob,
  type CapsuleShape,
  type CapsuleStatus,
  type Frozen,
  type Thawed,
} from '../../src/criu/index.ts';

export { until };
export const criu = await usableCriu().catch(() => undefined);
export const skip =
  criu === undefined
    ? { skip: true, meta: { skipReason: 'needs criu (CRIU 4, named by OMX_CRIU or on PATH)' } }
    : { skip: false, meta: {} };

export function theCriu(): NonNullable<typeof criu> {
  if (criu === undefined) throw new Error('no criu');
  return criu;
}

export const programs = fileURLToPath(new URL('programs', import.meta.url));

/** How the process of the shepherd's child ended. */
export interface Child {
  readonly pid: number;
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  readonly process: ChildProcess;
}

/** Starts a capsule as the shepherd would: its own session, outputs to files. */
export function startChild(argv: readonly Bytes[], env: readonly Bytes[], words: string): Child {
  const extra = Object.fromEntries(env.map((entry) => entry.split(/=(.*)/s).slice(0, 2) as [string, string]));
  const [file = '', ...args] = argv;
  mkdirSync(words, { recursive: true });
  const child = spawn('/bin/sh', ['-c', `exec "$0" "$@" 2>>'${join(words, 'words')}'`, file, ...args], {
    stdio: 'ignore',
    detached: true,
    env: { ...process.env, ...extra },
  });
  const ended = new Promise<Awaited<Child['ended']>>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  children.push({ pid: child.pid ?? 0, ended, process: child });
  return { pid: child.pid ?? 0, ended, process: child };
}

const children: Child[] = [];
const tops: string[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) {
    child.process.kill('SIGKILL');
    await child.ended;
  }
  for (const top of tops.splice(0)) rmSync(top, { recursive: true, force: true });
});

/** One folder for all of a test's nodes. */
export function newTop(): string {
  const top = mkdtempSync(join(tmpdir(), 'omx-criu-'));
  tops.push(top);
  return top;
}

export interface Whole {
  readonly out: string;
  readonly err: string;
  readonly status: CapsuleStatus | undefined;
  readonly ended: Awaited<Child['ended']>;
  readonly usage: Usage | undefined;
}

/** A job that the test moves about; each stay has a folder of its own, as on another node. */
export class Job {
  readonly top = newTop();
  readonly shape: CapsuleShape;
  job!: CapsuleJob;
  child!: Child;
  moves = 0;

  constructor(shape: CapsuleShape = capsuleShape()) {
    this.shape = shape;
  }

  static start(command: readonly string[], shape?: CapsuleShape): Job {
    const job = new Job(shape);
    const folder = join(job.top, 'node-0');
    mkdirSync(folder);
    const argv = runArgv({
      capsule: capsuleBinary(),
      shape: job.shape,
      folder,
      command: command.map(bytesOf),
      stdout: bytesOf('out'),
      stderr: bytesOf('err'),
    });
    job.child = startChild(argv, [], join(job.top, 'log-0'));
    job.job = { pid: job.child.pid, folder, shape: job.shape };
    return job;
  }

  get image(): string {
    return join(this.top, 'image');
  }

  text(name: string, folder = this.job.folder): string {
    const path = join(folder, name);
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  }

  lines(folder?: string): number {
    return this.text('out', folder).split('\n').length - 1;
  }

  /** Waits until it has written more, and so does run. */
  async progress(lines = 1): Promise<void> {
    const before = this.lines();
    await until(() => this.lines() >= before + lines || this.hasEnded(), { timeoutMs: 30_000 });
  }

  /** Lets programs of `programs/` come to their end. */
  finish(): this {
    writeFileSync(join(this.job.folder, 'finish'), '');
    return this;
  }

  hasEnded(): boolean {
    return this.child.process.exitCode !== null || this.child.process.signalCode !== null;
  }

  running(): Promise<unknown> {
    return until(() => readMembers(this.job.pid).pids.length > 1, { failIf: () => this.hasEnded() && this.words() });
  }

  words(): string {
    return this.text('words', join(this.top, `log-${this.moves}`)) || 'it ended';
  }

  freeze(): Promise<Frozen> {
    return freeze({ criu: theCriu(), job: this.job, image: this.image });
  }

  thaw(folder: string, image = this.image): Promise<Thawed & { readonly child: Child }> {
    const log = join(this.top, `log-${this.moves + 1}`);
    let child: Child | undefined;
    return thaw({
      criu: theCriu(),
      image,
      folder,
      log,
      start: ({ argv, env }) => (child = startChild(argv, env, log)),
    }).then((thawed) => ({ ...thawed, child: child as Child }));
  }

  /** The two-phase hand-over. `where`: the same folder again, or another one with a copy of it. */
  async move(where: 'same' | 'other'): Promise<void> {
    const frozen = await this.freeze();
    await frozen.seal();
    const folder = where === 'same' ? this.job.folder : join(this.top, `node-${this.moves + 1}`);
    if (where === 'other') cpSync(this.job.folder, folder, { recursive: true, preserveTimestamps: true });
    const copy = await this.thaw(folder);
    await frozen.end();
    expect(await copy.go()).toBe(true);
    this.took(copy);
  }

  took(copy: Thawed & { readonly child: Child }): void {
    this.moves++;
    this.job = copy.job;
    this.child = copy.child;
  }

  async end(): Promise<Whole> {
    const ended = await this.child.ended;
    const status = readStatus(this.job.folder);
    const usage =
      status === undefined || this.job.earlier === undefined
        ? status?.usage
        : wholeUsage(this.job.earlier, status.usage);
    return { out: this.text('out'), err: this.text('err'), status, ended, usage };
  }
}

const built = join(tmpdir(), `omx-criu-programs-${process.pid}`);
afterAll(() => rmSync(built, { recursive: true, force: true }));

/** Where programs are compiled to, for the tests of one file. */
export function builtFolder(): string {
  mkdirSync(built, { recursive: true });
  return built;
}

/** Compiled once for the tests of one file. */
export function compile(source: string, name: string, compiler = 'cc'): string {
  const target = join(builtFolder(), name);
  if (!existsSync(target)) execFileSync(compiler, ['-O1', '-o', target, source]);
  return target;
}
