import { spawn } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { OmxError, type Usage } from '@omx/core';
import type { CriuProgram } from '../../host/criu-program.ts';
import { readProcessStat } from '../../host/process.ts';
import { descendants } from '../../host/process-tree.ts';
import { machineRoots } from '../../host/roots.ts';
import { capsuleBinary } from '../capsule-binary.ts';
import { putCarried } from '../carried.ts';
import { restoreFolder } from '../checkpoint.ts';
import { thawArgv, waiterArgv } from '../commands.ts';
import { criuEnv } from '../criu-env.ts';
import { explainCriu } from '../explain.ts';
import { Gate } from '../gate.ts';
import { badImage, imageParts } from '../manifest.ts';
import { notesFile } from '../kernel-notes.ts';
import { readMembers } from '../members.ts';
import { readStatus, wholeUsage } from '../status.ts';
import { readStay, withoutTimes } from '../stay.ts';
import { cannotThaw, forgetPeak } from '../prepare.ts';
import { checkImage } from '../thaw.ts';
import { becomes, isGone } from '../vanish.ts';

export interface ThawChildOptions {
  readonly criu: CriuProgram;
  readonly image: string;
  /** Folder for the copy, which has its output there; whatever is there is removed. */
  readonly folder: string;
  /** Folder for criu's logs; whatever is there is removed. */
  readonly log: string;
  /** Until the copy is made. @defaultValue 60 s */
  readonly timeoutMs?: number;
  /** After that long without a decision the copy is killed. @defaultValue 120 s */
  readonly holdMs?: number;
}

/** How a copy has ended by itself. */
export interface CopyEnd {
  /** Exactly one of the two is set. */
  readonly exitCode?: number;
  readonly signal?: number;
  /** Of the copy alone, since it was made. */
  readonly usage: Usage;
}

/** The copy of a child, which waits at its gate. If this process dies, the copy does, at any time. */
export interface ChildCopy {
  /** As this machine sees it. */
  readonly pid: number;
  /** Lets it run. Not before the original is stopped for good, and some time was given. @throws SLIPPED where it is gone */
  go(): Promise<void>;
  /** It is killed at that instant of CLOCK_MONOTONIC, nanoseconds, unless more time is given before. */
  runUntil(ns: bigint): void;
  signal(number: number): void;
  /** Kills it. Resolves when nothing of it is left. */
  kill(): Promise<void>;
  /** Fulfilled when nothing of it is left; undefined where it was killed with its capsule, whoever did so. */
  readonly ended: Promise<CopyEnd | undefined>;
}

const releasedMs = 10_000;
const goneMs = 10_000;

/** @throws IMAGE_UNUSABLE before anything is started, CANNOT_THAW where criu could not; nothing runs then */
export async function thawChild(options: ThawChildOptions): Promise<ChildCopy> {
  const { criu, image, folder, log, timeoutMs = 60_000, holdMs = 120_000 } = options;
  const manifest = await checkImage(image, criu);
  const { clocks, lastPid, shape, child } = manifest;
  if (child === undefined) throw badImage(image, 'it is that of a whole job');
  putCarried(image, manifest);
  await restoreFolder(image, folder);
  rmSync(log, { recursive: true, force: true });
  mkdirSync(log, { recursive: true, mode: 0o700 });
  const capsule = capsuleBinary();
  const waiter = { capsule, child: { pid: child, status: `${shape.mount}/.capsule/status` } };
  const argv = thawArgv({
    ...{ ...waiter, criu: criu.file, images: join(image, imageParts.criu), log, folder, shape, notes: notesFile(criu) },
  });
  const gate = await Gate.open();
  // In a session of its own: no terminal of ours reaches it.
  const keeper = spawn(capsule, ['keep', '--', ...argv], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    env: { ...process.env, ...criuEnv(), ...gate.env(holdMs) },
  });
  // It may have ended; that is heard of.
  keeper.stdin.on('error', () => undefined);
  const over = new Promise<void>((resolve) => keeper.once('close', () => resolve()).once('error', () => resolve()));
  let copy: number | undefined;
  const kill = async (): Promise<void> => {
    gate.close();
    keeper.kill('SIGKILL');
    await over;
    if (copy !== undefined) await isGone(copy, goneMs);
  };
  let timer: NodeJS.Timeout | undefined;
  try {
    const timeout = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), timeoutMs);
    });
    const ordered = gate.awaited.then(() =>
      gate.order({ monotonicNs: BigInt(clocks.monotonicNs), bootNs: BigInt(clocks.bootNs) }, lastPid),
    );
    const reached = await Promise.race([ordered.then(() => gate.reached), over.then(() => undefined), timeout]);
    if (reached === undefined) throw cannotThaw(image, explainCriu(join(log, 'restore.log')));
    const [, inner = 0] = descendants(keeper.pid ?? 0);
    const { root: pid } = readMembers(inner, machineRoots, child);
    copy = pid;
    const maker = readProcessStat(pid)?.parent ?? 0;
    const cost = readStay([pid]);
    forgetPeak(pid);
    const stamp = readProcessStat(pid)?.startTicks;
    return {
      pid,
      go: async () => {
        const passed = await gate.pass();
        gate.close();
        if (!passed) throw new OmxError(`the copy made from ${image} is gone`, { code: 'SLIPPED' });
        await becomes(maker, waiterArgv(waiter), releasedMs);
      },
      runUntil: (ns) => void keeper.stdin.write(`${ns}\n`),
      signal: (number) => {
        const stat = readProcessStat(pid);
        if (stat === undefined || stat.startTicks !== stamp || stat.state === 'Z') return;
        process.kill(pid, number);
      },
      kill,
      ended: over.then(async () => {
        await isGone(pid, goneMs);
        return endOf(folder, cost);
      }),
    };
  } catch (error) {
    await kill();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** What it took to make the copy is none of its own. */
function endOf(folder: string, cost: Usage): CopyEnd | undefined {
  const status = readStatus(folder);
  if (status === undefined) return undefined;
  const { exitCode, signal } = status;
  return {
    ...(signal === undefined ? { exitCode: exitCode ?? 0 } : { signal }),
    usage: wholeUsage(withoutTimes({ userUs: 0, sysUs: 0, maxRssKib: 0 }, cost), status.usage),
  };
}
