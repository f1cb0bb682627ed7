import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bytesOf, isOmxError, OmxError } from '@omx/core';
import { capsuleBinary } from './capsule-binary.ts';
import { runArgv } from './commands.ts';
import type { CriuProgram } from '../host/criu-program.ts';
import { usableCriu } from './usable.ts';
import { freeze } from './freeze.ts';
import { isKnownToWork, remember } from './known.ts';
import { capsuleShape } from './shape.ts';
import type { ThawStarted } from './prepare.ts';
import { thaw } from './thaw.ts';
import { readMembers } from './members.ts';
import { setTimeout as delay } from 'node:timers/promises';

export interface CriuProbe {
  readonly criu?: CriuProgram;
  /** Why nothing can be moved to or from this node; undefined: a job was frozen and thawed. */
  readonly reason?: string;
  readonly hint?: string;
}

const madeMs = 5000;
const probePrefix = 'omx-probe-';
const oldMs = 10 * 60_000;

/** Makes a capsule, freezes what is in it and thaws it, which takes half a second. Never throws. */
export async function probeCriu(env: Readonly<Record<string, string | undefined>> = process.env): Promise<CriuProbe> {
  let criu: CriuProgram;
  try {
    criu = await usableCriu(env);
  } catch (error) {
    return problem(error);
  }
  const probe = await tryOnce(criu).then(() => ({ criu }), problem);
  remember(criu, probe.criu !== undefined);
  return probe;
}

/** The same, by what an earlier probe since the boot found out where it went well. */
export async function recallCriu(env: Readonly<Record<string, string | undefined>> = process.env): Promise<CriuProbe> {
  const criu = await usableCriu(env).catch(() => undefined);
  return criu !== undefined && isKnownToWork(criu) ? { criu } : probeCriu(env);
}

function problem(error: unknown): CriuProbe {
  if (!isOmxError(error)) return { reason: error instanceof Error ? error.message : String(error) };
  return { reason: error.message, ...(error.hint === undefined ? {} : { hint: error.hint }) };
}

async function tryOnce(criu: CriuProgram): Promise<void> {
  removeOldProbes();
  const top = mkdtempSync(join(tmpdir(), probePrefix));
  const folders = { folder: join(top, 'job'), image: join(top, 'image'), log: join(top, 'log') };
  mkdirSync(folders.folder);
  const shape = capsuleShape();
  const capsule = capsuleBinary();
  const words = { stdout: bytesOf('out'), stderr: bytesOf('err'), command: ['sleep', '60'].map(bytesOf) };
  const running: Child[] = [];
  try {
    const first = startChild(runArgv({ capsule, shape, folder: folders.folder, ...words }), []);
    running.push(first);
    await until(() => readMembers(first.pid).pids.length > 1, first);
    const frozen = await freeze({ criu, job: { pid: first.pid, folder: folders.folder, shape }, image: folders.image });
    try {
      await frozen.seal();
      await frozen.end();
    } catch (error) {
      await frozen.keepGoing();
      throw error;
    }
    const copy = await thaw({
      ...{ criu, ...folders },
      start: ({ argv, env }) => {
        const child = startChild(argv, env);
        running.push(child);
        return child;
      },
    });
    await copy.go();
    await until(() => readMembers(copy.job.pid).pids.length > 1, running.at(-1));
  } finally {
    for (const child of running) child.kill();
    await Promise.all(running.map((child) => child.ended));
    rmSync(top, { recursive: true, force: true });
  }
}

/** Of processes that were killed while they tried. */
function removeOldProbes(): void {
  for (const name of readdirSync(tmpdir()).filter((each) => each.startsWith(probePrefix))) {
    const path = join(tmpdir(), name);
    try {
      if (Date.now() - statSync(path).mtimeMs > oldMs) rmSync(path, { recursive: true, force: true });
    } catch {
      // Another user's, or gone.
    }
  }
}

interface Child extends ThawStarted {
  readonly words: () => string;
  readonly hasEnded: () => boolean;
  kill(): void;
}

function startChild(argv: readonly string[], env: readonly string[]): Child {
  const [file = '', ...args] = argv;
  const extra = Object.fromEntries(
    env.map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
  );
  const child = spawn(file, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
    env: { ...process.env, ...extra },
  });
  let words = '';
  let hasEnded = false;
  child.stderr.on('data', (chunk) => (words += String(chunk)));
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => {
      hasEnded = true;
      resolve();
    });
    child.once('error', () => resolve());
  });
  return {
    pid: child.pid ?? 0,
    ended,
    words: () => words,
    hasEnded: () => hasEnded,
    kill: () => child.kill('SIGKILL'),
  };
}

async function until(condition: () => boolean, child: Child | undefined): Promise<void> {
  for (const deadline = performance.now() + madeMs; ; await delay(2)) {
    try {
      if (condition()) return;
    } catch {
      // Not yet made.
    }
    if (child?.hasEnded() === true || performance.now() > deadline) {
      throw noCapsule(child?.words().trim());
    }
  }
}

/** What the capsule said, with what it may lack. */
function noCapsule(words = ''): OmxError {
  const what = 'no capsule can be made here';
  const code = 'LAUNCHER_UNAVAILABLE';
  if (!/make namespaces: Operation not permitted/.test(words))
    return new OmxError(`${what}: ${words === '' ? 'it does not start' : words}`, { code });
  const isRoot = process.geteuid?.() === 0;
  const lack = isRoot
    ? 'root needs the capability CAP_SYS_ADMIN for that'
    : 'this kernel gives no user namespaces to ordinary users';
  return new OmxError(`${what}: ${words} (${lack})`, {
    code,
    hint: isRoot
      ? 'give it CAP_SYS_ADMIN (docker: --cap-add SYS_ADMIN), or run the worker as an ordinary user'
      : 'omx doctor says which setting of the kernel forbids them',
  });
}
