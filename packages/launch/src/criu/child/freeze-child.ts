import { chmodSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { arch } from 'node:process';
import { noUsage, OmxError } from '@omx/core';
import { execa } from 'execa';
import type { CriuProgram } from '../../host/criu-program.ts';
import { readProcessStat } from '../../host/process.ts';
import { readText } from '../../host/read.ts';
import { capsuleBinary } from '../capsule-binary.ts';
import { carry } from '../carried.ts';
import { dumpArgv } from '../commands.ts';
import { digestImage } from '../digests.ts';
import { dumpToGate } from '../dump.ts';
import type { CapsuleJob } from '../freeze.ts';
import { folderFiles } from '../launcher.ts';
import { imageFormat, imageParts, writeManifest, type ImageManifest } from '../manifest.ts';
import { freePids, innerPid, readMembers, type Members } from '../members.ts';
import { describeFile } from '../program-files.ts';
import { readChildren } from './children.ts';
import { inspectChild, sharingReasons } from './inspect-child.ts';

export interface FreezeChildOptions {
  readonly criu: CriuProgram;
  readonly job: CapsuleJob;
  readonly child: { readonly pid: number; readonly startTicks: number };
  /** A folder for the image; whatever is there is removed. */
  readonly image: string;
  /** For writing the image. @defaultValue 30 s */
  readonly timeoutMs?: number;
  /** After that long without a decision the child goes on by itself. @defaultValue 60 s */
  readonly holdMs?: number;
}

/** A child that stands still, with its image written. Exactly one of `keepGoing` and `stay` must follow, as for `Frozen`. */
export interface FrozenChild {
  readonly image: string;
  /** Signals that the image has on their way to the child: bit 0 is signal 1. */
  readonly pending: bigint;
  /** Writes the manifest, which makes the image complete. */
  seal(): Promise<ImageManifest>;
  /** The child goes on as if nothing had happened; does nothing after `stay`. */
  keepGoing(): Promise<void>;
  /**
   * Leaves the original stopped (SIGSTOP), whoever dies: it is the deputy of its copy from now on.
   * @throws SLIPPED where it had gone on by itself: then no copy may run
   */
  stay(): Promise<void>;
}

const seizeSeconds = 10;

/** Why no child can be moved on this machine; undefined: nothing. The deputy's part of `native/capsule` knows one processor. */
export function childrenObstacle(): string | undefined {
  return arch === 'x64' ? undefined : `single children can be moved on x86_64 only, and this node is ${arch}`;
}

/** Freezes a single child of a job into an image. @throws NOT_RUNNING, or CANNOT_MOVE with the reason; it goes on in any case */
export async function freezeChild(options: FreezeChildOptions): Promise<FrozenChild> {
  const { criu, job, child, image, timeoutMs = 30_000, holdMs = 60_000 } = options;
  const { shape } = job;
  const [images, log] = [join(image, imageParts.criu), join(image, imageParts.log)];
  const members = readMembers(job.pid);
  const inside = innerPid(child.pid);
  const refusal = (reason: string): OmxError => {
    readMembers(job.pid);
    const code = isThere(child) ? 'CANNOT_MOVE' : 'NOT_RUNNING';
    return new OmxError(`the process ${child.pid} cannot be moved now: ${reason}`, {
      code,
      hint: 'it goes on where it is',
    });
  };
  if (inside === undefined || !isThere(child)) throw refusal('it has ended');
  const before = inspectChild(child.pid, members, shape);
  if (before.reasons.length > 0) throw refusal(before.reasons.join('; '));
  if (await usesSystemV(members)) throw refusal('its job uses System V semaphores, messages or shared memory');

  rmSync(image, { recursive: true, force: true });
  for (const folder of [image, images, log]) mkdirSync(folder, { recursive: true, mode: 0o700 });
  layOut(job.folder, join(image, imageParts.folder));
  const { root, userNamespace } = members;
  const argv = dumpArgv({
    ...{ capsule: capsuleBinary(), criu: criu.file, root, userNamespace, images, log, seizeSeconds },
    child: inside,
  });
  const dump = await dumpToGate({ argv, log, timeoutMs, holdMs, refusal });
  try {
    // Again, now that it stands still.
    const [still, seen] = [readMembers(job.pid), inspectChild(child.pid, members, shape)];
    const shared = sharingReasons(child.pid, still, shape);
    if (shared.length > 0) throw refusal(shared.join('; '));
    if (!readChildren(job.pid).some(({ pid }) => pid === child.pid)) throw refusal('it has children of its own');
    const manifest: Omit<ImageManifest, 'files'> = {
      ...{ format: imageFormat, criu: criu.version, arch, shape, createdAt: Date.now() },
      clocks: { monotonicNs: String(dump.clocks.monotonicNs), bootNs: String(dump.clocks.bootNs) },
      lastPid: freePids([child.pid]),
      // What it has used so far is counted by its parent, when the deputy ends.
      usage: noUsage,
      carried: carry(image, seen.carried),
      needed: seen.needed.map(describeFile).filter((each) => each !== undefined),
      child: inside,
    };
    return {
      image,
      pending: pendingOf(child.pid),
      seal: async () => writeManifest(image, { ...manifest, files: await digestImage(image) }),
      keepGoing: async () => dump.release(),
      stay: async () => {
        if (!(await dump.pass())) {
          throw new OmxError(`the process ${child.pid} had already gone on by itself`, { code: 'SLIPPED' });
        }
        await dump.ended;
      },
    };
  } catch (error) {
    await dump.release();
    throw error;
  }
}

/** Source: proc(5), `SigPnd` and `ShdPnd` of `/proc/pid/status`. */
function pendingOf(pid: number): bigint {
  const masks = (readText(`/proc/${pid}/status`) ?? '').matchAll(/^(?:SigPnd|ShdPnd):\t([0-9a-f]+)$/gm);
  return [...masks].reduce((all, [, mask]) => all | BigInt(`0x${mask}`), 0n);
}

/** The job's folder as the copy finds it: nothing in it but empty outputs, of the modes that criu compares. */
function layOut(from: string, to: string): void {
  for (const name of ['', '.capsule', folderFiles.tmp, folderFiles.out, folderFiles.err]) {
    const facts = statSync(join(from, name), { throwIfNoEntry: false });
    if (facts?.isDirectory() === true) mkdirSync(join(to, name), { mode: 0o700 });
    else if (facts !== undefined) writeFileSync(join(to, name), '', { mode: 0o600 });
    // The folder itself may be one that we could not write into from here on.
    if (facts !== undefined && name !== '') chmodSync(join(to, name), facts.mode & 0o7777);
  }
  chmodSync(to, statSync(from).mode & 0o7777);
}

function isThere({ pid, startTicks }: FreezeChildOptions['child']): boolean {
  const stat = readProcessStat(pid);
  return stat !== undefined && stat.startTicks === startTicks && stat.state !== 'Z';
}

/** They are in the job's ipc namespace, and another capsule has another one. */
async function usesSystemV({ root }: Members): Promise<boolean> {
  const tables = ['sem', 'msg', 'shm'].map((name) => `/proc/sysvipc/${name}`);
  const { stdout, failed } = await execa(capsuleBinary(), ['enter', String(root), '--', 'cat', ...tables], {
    ...{ reject: false, stdin: 'ignore', timeout: 10_000 },
  });
  // A line of headings each.
  return failed || stdout.trim().split('\n').length > tables.length;
}
