import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bytesOf, OmxError, type Bytes, type Usage } from '@omx/core';
import { capsuleBinary } from './capsule-binary.ts';
import { putCarried } from './carried.ts';
import { thawArgv } from './commands.ts';
import { criuEnv } from './criu-env.ts';
import { verifyImage } from './digests.ts';
import { explainCriu } from './explain.ts';
import { readProcessStat } from '../host/process.ts';
import type { CriuProgram } from '../host/criu-program.ts';
import { compareVersions } from './usable.ts';
import type { CapsuleJob } from './freeze.ts';
import { Gate } from './gate.ts';
import { badImage, imageParts, readManifest, type ImageManifest } from './manifest.ts';
import { readMembers } from './members.ts';
import { differences } from './program-files.ts';
import type { RunningDigests } from './running-digests.ts';
import { readStay, withoutTimes } from './stay.ts';
import { hasBecome, killProcess } from './vanish.ts';

/** What is to be started, by the shepherd like any other job. */
export interface ThawStart {
  readonly argv: readonly Bytes[];
  /** `NAME=VALUE` entries added to the environment. They are criu's: the job keeps its own. */
  readonly env: readonly Bytes[];
}

export interface ThawStarted {
  readonly pid: number;
  /** Fulfilled when it has ended, in whatever way. */
  readonly ended: Promise<unknown>;
}

export interface ThawOptions {
  readonly criu: CriuProgram;
  readonly image: string;
  /** The job's folder on this node, with its contents as they were when the job was frozen. */
  readonly folder: string;
  /** Folder for criu's logs; whatever is there is removed. */
  readonly log: string;
  /** What `checkImage` has just said of this image. @defaultValue it is checked now */
  readonly checked?: ImageManifest | undefined;
  start(line: ThawStart): ThawStarted | Promise<ThawStarted>;
  /** Until the copy is made. @defaultValue 60 s */
  readonly timeoutMs?: number;
  /** After that long without a decision the copy is killed. @defaultValue 120 s */
  readonly holdMs?: number;
}

/** A copy that is made and stands still at the gate. If this process dies, or nothing is decided in time, it is killed. */
export interface Thawed {
  readonly job: CapsuleJob & { readonly earlier: Usage };
  /**
   * Lets the copy run. Not before the original is dead.
   * @throws SLIPPED where the copy is gone by now; the image can be thawed again
   */
  go(): Promise<void>;
  /** Kills the copy and waits for its end; does nothing after `go`. */
  abort(): Promise<void>;
}

const releasedMs = 10_000;

/**
 * Makes a copy from an image, which stays as it is and can be used any number of times.
 * @throws IMAGE_UNUSABLE before anything is started, CANNOT_THAW where criu could not; nothing runs then
 */
export async function thaw(options: ThawOptions): Promise<Thawed> {
  const { criu, image, folder, log, start, timeoutMs = 60_000, holdMs = 120_000 } = options;
  const manifest = options.checked ?? (await checkImage(image, criu));
  if (manifest.child !== undefined) throw badImage(image, 'it is that of a single child of a job');
  putCarried(image, manifest);
  rmSync(log, { recursive: true, force: true });
  mkdirSync(log, { recursive: true, mode: 0o700 });
  const { clocks, lastPid, shape } = manifest;
  const capsule = capsuleBinary();
  const argv = thawArgv({
    ...{ capsule, criu: criu.file, images: join(image, imageParts.criu), log, folder, shape, lastPid },
    clocks: { monotonicNs: BigInt(clocks.monotonicNs), bootNs: BigInt(clocks.bootNs) },
  });
  const gate = await Gate.open();
  const env = Object.entries({ ...criuEnv(), ...gate.env(holdMs) }).map(([name, value]) => bytesOf(`${name}=${value}`));
  let started: ThawStarted | undefined;
  let isOver = false;
  let timer: NodeJS.Timeout | undefined;
  const abort = async (): Promise<void> => {
    gate.close();
    if (started === undefined) return;
    // Its number may be another's by now.
    if (!isOver) killProcess(started.pid);
    await started.ended;
  };
  try {
    started = await start({ argv: argv.map(bytesOf), env });
    const over = (): void => void (isOver = true);
    started.ended.then(over, over);
    const timeout = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), timeoutMs);
    });
    const reached = await Promise.race([gate.reached, started.ended.then(() => undefined), timeout]);
    if (reached === undefined) throw cannotThaw(image, explainCriu(join(log, 'restore.log')));
    const { pids, root } = readMembers(started.pid);
    const maker = readProcessStat(root)?.parent ?? 0;
    const cost = readStay(pids);
    pids.forEach(forgetPeak);
    const { pid } = started;
    let decided = false;
    return {
      job: { pid, folder, shape, earlier: withoutTimes(manifest.usage, cost) },
      go: async () => {
        decided = true;
        const passed = await gate.pass();
        gate.close();
        if (!passed) throw new OmxError(`the copy made from ${image} is gone`, { code: 'SLIPPED' });
        // The copy runs soon; as long as criu holds it, it could not be frozen again.
        await hasBecome(maker, [capsule, 'wait'], releasedMs);
      },
      abort: () => (decided ? Promise.resolve() : abort()),
    };
  } catch (error) {
    await abort();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/**
 * What can be known of an image and this node before anything is started.
 * @param running begun before the image came
 * @throws IMAGE_UNUSABLE
 */
export async function checkImage(image: string, criu: CriuProgram, running?: RunningDigests): Promise<ImageManifest> {
  const manifest = readManifest(image);
  if (compareVersions(criu.version, manifest.criu) < 0) {
    throw badImage(image, `CRIU ${manifest.criu} wrote it, this node has ${criu.version}`, 'update CRIU on this node');
  }
  if (!manifest.shape.userNamespace && process.geteuid?.() !== 0) {
    throw badImage(image, 'a worker run by root wrote it, this one is not root', 'choose a node whose worker is root');
  }
  const [difference] = differences(manifest.needed);
  if (difference !== undefined) throw badImage(image, difference, 'choose a node with the same programs and libraries');
  await verifyImage(image, manifest, running);
  return manifest;
}

/** Sets the largest resident set back to the present one: criu's own was larger. Source: proc(5), `clear_refs`. */
export function forgetPeak(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, '5');
  } catch {
    // A kernel without it, or a process that ended.
  }
}

export function cannotThaw(image: string, reason: string): OmxError {
  return new OmxError(`cannot thaw the image ${image} on this node: ${reason}`, { code: 'CANNOT_THAW' });
}
