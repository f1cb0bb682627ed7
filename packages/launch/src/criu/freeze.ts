import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { arch } from 'node:process';
import { addUsage, noUsage, OmxError, type Usage } from '@omx/core';
import { readProcessStat } from '../host/process.ts';
import { capsuleBinary } from './capsule-binary.ts';
import { carry } from './carried.ts';
import { dumpArgv, type CapsuleShape } from './commands.ts';
import { digestImage } from './digests.ts';
import { dumpToGate } from './dump.ts';
import type { CriuProgram } from '../host/criu-program.ts';
import { inspect } from './inspect.ts';
import { imageFormat, imageParts, writeManifest, type ImageManifest } from './manifest.ts';
import { freePids, readMembers, rootOf } from './members.ts';
import { describeFile } from './program-files.ts';
import type { RunningDigests } from './running-digests.ts';
import { readStay } from './stay.ts';
import { addressesOf, type Destination } from './stream.ts';
import { isGone, killProcess } from './vanish.ts';

/** A job in its capsule, as the node that has it knows it. */
export interface CapsuleJob {
  /** Pid of `omx-capsule run` or `thaw`, as the shepherd told it. */
  readonly pid: number;
  readonly folder: string;
  readonly shape: CapsuleShape;
  /** Counted before this stay: of thawing. @defaultValue none, for a job that was never moved */
  readonly earlier?: Usage;
}

export interface FreezeOptions {
  readonly criu: CriuProgram;
  readonly job: CapsuleJob;
  /** A folder for the image; whatever is there is removed. */
  readonly image: string;
  /**
   * Where its memory goes instead of into the image, of `receivePages`. Then this image cannot be thawed, only the one there
   * can, of the two parts.
   */
  readonly pages?: Destination;
  /** Of `image`, begun before. */
  readonly digests?: RunningDigests | undefined;
  /** Called when criu has written its part of the image, which then may be sent. */
  readonly written?: () => void;
  /** For writing the image. @defaultValue 60 s */
  readonly timeoutMs?: number;
  /** After that long without a decision the job goes on by itself. @defaultValue 120 s */
  readonly holdMs?: number;
}

/**
 * A job that stands still, with its image written. Exactly one of `keepGoing` and `end` must follow; if neither does within
 * `holdMs`, if this process or criu dies, the job goes on here.
 */
export interface Frozen {
  readonly image: string;
  /** Of the whole life so far. */
  readonly usage: Usage;
  /** Adds sizes and digests, and writes the manifest: from then on the image can be thawed. May take place while others send it. */
  seal(): Promise<ImageManifest>;
  /** Whether it still stands still, as far as is known by now. */
  readonly isHeld: boolean;
  /** The job goes on here as if nothing had happened; does nothing after `end`. */
  keepGoing(): Promise<void>;
  /**
   * Kills the job here, for it goes on elsewhere or later, and waits until nothing of it is left; but no longer than ten
   * seconds for a kernel that does not let go of it, as what was killed never runs again.
   * @throws SLIPPED where it had gone on by itself: then no copy may run
   */
  end(): Promise<void>;
}

const seizeSeconds = 10;
const killedMs = 10_000;

/**
 * Freezes a job into an image.
 * @throws NOT_RUNNING, or CANNOT_MOVE with the reason, SHIP_FAILED where `pages` has no such host; the job goes on then.
 * CRIU_DIED where criu was killed, took too long, or failed and the job is gone, too: for some milliseconds it changes the code
 * of the job's processes, so that they may die of a signal that is not their own
 */
export async function freeze(options: FreezeOptions): Promise<Frozen> {
  const { criu, job, image, pages, timeoutMs = 60_000, holdMs = 120_000 } = options;
  const { shape, earlier = noUsage } = job;
  const members = readMembers(job.pid);
  const images = join(image, imageParts.criu);
  const log = join(image, imageParts.log);
  rmSync(image, { recursive: true, force: true });
  for (const folder of [image, images, log]) mkdirSync(folder, { recursive: true, mode: 0o700 });

  const before = inspect(members, shape);
  if (before.reasons.length > 0) throw cannotMove(job.pid, before.reasons.join('; '));
  const capsule = capsuleBinary();
  const { root, userNamespace } = members;
  const argv = dumpArgv({
    capsule,
    criu: criu.file,
    root,
    userNamespace,
    images,
    log,
    seizeSeconds,
    ...(pages === undefined ? {} : { pages: { port: pages.port, addresses: await addressesOf(pages.host) } }),
  });
  const dump = await dumpToGate({
    ...{ argv, log, timeoutMs, holdMs },
    ...(pages === undefined ? {} : { token: pages.token }),
    refusal: (reason, isHarmed) => {
      if (rootOf(job.pid) !== undefined) return cannotMove(job.pid, reason, isHarmed ? 'CRIU_DIED' : 'CANNOT_MOVE');
      // It may simply have ended under our hands, or criu had a part in it.
      return new OmxError(`the job of process ${job.pid} has ended while criu froze it: ${reason}`, {
        code: 'CRIU_DIED',
      });
    },
  });
  try {
    options.written?.();
    // Again, now that it stands still: it may have opened something in between.
    const frozen = readMembers(job.pid);
    const seen = inspect(frozen, shape);
    const usage = addUsage(earlier, readStay(frozen.pids));
    const manifest: Omit<ImageManifest, 'files'> = {
      format: imageFormat,
      criu: criu.version,
      arch,
      shape,
      createdAt: Date.now(),
      clocks: { monotonicNs: String(dump.clocks.monotonicNs), bootNs: String(dump.clocks.bootNs) },
      lastPid: freePids(frozen.pids),
      usage,
      carried: carry(image, seen.carried),
      needed: seen.needed.map(describeFile).filter((each) => each !== undefined),
      ...(pages === undefined ? {} : { pagesElsewhere: true }),
    };
    return {
      image,
      usage,
      seal: () => seal(image, manifest, options.digests),
      get isHeld() {
        return dump.isHeld;
      },
      keepGoing: async () => dump.release(),
      end: async () => {
        const [initIsOurs, capsuleIsOurs] = [stamp(members.init), stamp(job.pid)];
        if (!(await dump.pass())) {
          throw new OmxError(`the job of process ${job.pid} had already gone on by itself`, { code: 'SLIPPED' });
        }
        // criu kills the job now; pid 1 takes everything else with it, even where the job was stopped.
        if (initIsOurs()) killProcess(members.init);
        await dump.ended;
        await isGone(members.init, killedMs);
        // It ends by itself, unless it is stopped.
        if (capsuleIsOurs()) killProcess(job.pid);
      },
    };
  } catch (error) {
    await dump.release();
    throw error;
  }
}

/** True as long as the pid is that of the same process. */
function stamp(pid: number): () => boolean {
  const start = readProcessStat(pid)?.startTicks;
  return () => start !== undefined && readProcessStat(pid)?.startTicks === start;
}

async function seal(
  image: string,
  rest: Omit<ImageManifest, 'files'>,
  running: RunningDigests | undefined,
): Promise<ImageManifest> {
  return writeManifest(image, { ...rest, files: await digestImage(image, undefined, running) });
}

function cannotMove(pid: number, reason: string, code: 'CANNOT_MOVE' | 'CRIU_DIED' = 'CANNOT_MOVE'): OmxError {
  return new OmxError(`the job of process ${pid} cannot be moved now: ${reason}`, {
    code,
    hint: 'it goes on where it is',
  });
}
