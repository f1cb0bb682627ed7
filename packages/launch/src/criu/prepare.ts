import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bytesOf, OmxError, type Bytes, type Usage } from '@omx/core';
import type { CriuProgram } from '../host/criu-program.ts';
import { readProcessStat } from '../host/process.ts';
import { capsuleBinary } from './capsule-binary.ts';
import { putCarried } from './carried.ts';
import { thawArgv, type CapsuleShape } from './commands.ts';
import { criuEnv } from './criu-env.ts';
import { explainCriu } from './explain.ts';
import type { CapsuleJob } from './freeze.ts';
import { Gate } from './gate.ts';
import { notesFile } from './kernel-notes.ts';
import { badImage, imageParts, type ImageManifest } from './manifest.ts';
import { readMembers } from './members.ts';
import { readStay, withoutTimes } from './stay.ts';
import { becomes, killProcess } from './vanish.ts';

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

export interface PrepareOptions {
  readonly criu: CriuProgram;
  /** What the job's capsule is like. */
  readonly shape: CapsuleShape;
  /** Where the image will be. */
  readonly image: string;
  /** Where the job's folder will be on this node, with its contents as they were when the job was frozen. */
  readonly folder: string;
  /** Folder for criu's logs; whatever is there is removed. */
  readonly log: string;
  start(line: ThawStart): ThawStarted | Promise<ThawStarted>;
  /** Until the capsule is made, and then until the copy is. @defaultValue 60 s each */
  readonly timeoutMs?: number;
  /** After that long without a decision the copy is killed. @defaultValue 120 s */
  readonly holdMs?: number;
}

/**
 * An empty capsule that waits for the image of the job that it is for; nothing of the job is in it. Exactly one of `thaw` and
 * `abort` must follow. If this process dies, it ends.
 */
export interface PreparedCapsule {
  readonly shape: CapsuleShape;
  /**
   * Makes the copy; image and folder must be there.
   * @param manifest of the image, as `checkImage` gave it
   * @throws IMAGE_UNUSABLE; CANNOT_THAW where criu could not, or the capsule is gone; nothing runs then
   */
  thaw(manifest: ImageManifest): Promise<Thawed>;
  /** Ends it; does nothing after `thaw`. Resolves when nothing of it is left. */
  abort(): Promise<void>;
}

/** A copy that is made and stands still at the gate. If this process dies, or nothing is decided in time, it is killed. */
export interface Thawed {
  readonly job: CapsuleJob & { readonly earlier: Usage };
  /**
   * Lets the copy run. Not before the original is dead.
   * @returns false where criu ended before it had let go of everything: it was killed, and the copy with it, or the job is over
   * @throws SLIPPED where the copy is gone by now; the image can be thawed again
   */
  go(): Promise<boolean>;
  /** Kills the copy and waits for its end; does nothing after `go`. */
  abort(): Promise<void>;
}

const releasedMs = 10_000;

/**
 * Makes a capsule for a copy of a job whose image is still on its way: while a job stands still, only what needs its image is
 * left to be done.
 * @throws CANNOT_THAW where no capsule can be made
 */
export async function prepareCapsule(options: PrepareOptions): Promise<PreparedCapsule> {
  const { criu, shape, image, folder, log, timeoutMs = 60_000, holdMs = 120_000 } = options;
  rmSync(log, { recursive: true, force: true });
  mkdirSync(log, { recursive: true, mode: 0o700 });
  const capsule = capsuleBinary();
  const argv = thawArgv({
    ...{ capsule, criu: criu.file, images: join(image, imageParts.criu), log, folder, shape, notes: notesFile(criu) },
  });
  const gate = await Gate.open();
  const env = Object.entries({ ...criuEnv(), ...gate.env(holdMs) }).map(([name, value]) => bytesOf(`${name}=${value}`));
  let started: ThawStarted | undefined;
  let isOver = false;
  const end = async (): Promise<void> => {
    gate.close();
    if (started === undefined) return;
    // Its number may be another's by now.
    if (!isOver) killProcess(started.pid);
    await started.ended;
  };
  /** @throws CANNOT_THAW where it ends, or the time is over, before */
  const comesTo = async (event: Promise<unknown>): Promise<void> => {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<'not'>((resolve) => {
      timer = setTimeout(() => resolve('not'), timeoutMs);
    });
    const ended = started?.ended.then(() => 'not');
    const first = await Promise.race([event, ended, timeout]).finally(() => clearTimeout(timer));
    if (first === 'not') throw cannotThaw(image, explainCriu(join(log, 'restore.log')));
  };
  let isTaken = false;
  try {
    started = await options.start({ argv: argv.map(bytesOf), env });
    const { pid } = started;
    const over = (): void => {
      isOver = true;
      gate.close();
    };
    started.ended.then(over, over);
    await comesTo(gate.awaited);
    return {
      shape,
      thaw: async (manifest) => {
        isTaken = true;
        try {
          if (manifest.child !== undefined) throw badImage(image, 'it is that of a single child of a job');
          putCarried(image, manifest);
          const { clocks, lastPid, usage } = manifest;
          gate.order({ monotonicNs: BigInt(clocks.monotonicNs), bootNs: BigInt(clocks.bootNs) }, lastPid);
          await comesTo(gate.reached);
          const { pids, root } = readMembers(pid);
          const maker = readProcessStat(root)?.parent ?? 0;
          const cost = readStay(pids);
          pids.forEach(forgetPeak);
          let isDecided = false;
          return {
            job: { pid, folder, shape, earlier: withoutTimes(usage, cost) },
            go: async () => {
              isDecided = true;
              const passed = await gate.pass();
              gate.close();
              if (!passed) throw new OmxError(`the copy made from ${image} is gone`, { code: 'SLIPPED' });
              // The copy runs soon; as long as criu holds it, it could not be frozen again.
              return becomes(maker, [capsule, 'wait'], releasedMs);
            },
            abort: () => (isDecided ? Promise.resolve() : end()),
          };
        } catch (error) {
          await end();
          throw error;
        }
      },
      abort: () => (isTaken ? Promise.resolve() : end()),
    };
  } catch (error) {
    await end();
    throw error;
  }
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
