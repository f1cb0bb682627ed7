import { ExitCode, type Job, type JobEvent } from '@omx/core';
import { globalKeys, type WakeReason } from '@omx/queue';

import { type Target, targetsOf } from '../acting/selected.ts';
import { changeUntouched, hasEnded, releaseUntouched, takesUntouched, touchedSpans } from '../acting/untouched.ts';
import { jobsText } from '../acting/wording.ts';
import { type Io, writeJson, writeLine } from '../io.ts';
import { jobFilter, type StateFilter } from '../select.ts';
import { type QueueOptions, type Session, withSession } from '../session.ts';

export interface ControlOptions extends QueueOptions, StateFilter {
  readonly json?: boolean;
}

interface PauseOptions extends ControlOptions {
  readonly freeze?: boolean;
}

interface Verb {
  /** The JSON field, and the word after the number of jobs. */
  readonly done: 'held' | 'released' | 'paused' | 'frozen' | 'resumed';
  /** What is said in its place, of what takes its time. */
  readonly begun?: (jobs: number) => string;
  /** What is said where there was nothing to do. */
  readonly nothing: string;
  readonly wake: WakeReason;
  readonly change: (session: Session, target: Target) => Promise<Change>;
}

interface Change {
  readonly changed: number;
  /** About those that were not. */
  readonly remark?: string;
  /** How many cannot be changed so at all. */
  readonly refused?: number;
}

/** `omx hold`: waiting jobs are kept back until `omx release`. */
export async function hold(io: Io, selectors: readonly string[], options: ControlOptions): Promise<number> {
  return control(io, selectors, options, {
    done: 'held',
    wake: 'chunks',
    nothing: 'nothing to hold: none of these jobs waits',
    change: holdTarget,
  });
}

/** `omx release`: held jobs may run, also those that wait for other batches (`--after`). */
export async function release(io: Io, selectors: readonly string[], options: ControlOptions): Promise<number> {
  return control(io, selectors, options, {
    done: 'released',
    wake: 'chunks',
    nothing: 'nothing to release: none of these jobs is held',
    change: releaseTarget,
  });
}

/**
 * `omx pause`: running jobs are stopped where they are; they keep their slot and their memory. With `--freeze` they are
 * kept as images and need neither.
 */
export async function pause(io: Io, selectors: readonly string[], options: PauseOptions): Promise<number> {
  if (options.freeze === true) {
    return control(io, selectors, options, {
      done: 'frozen',
      begun: (jobs) =>
        `${jobs === 1 ? 'is' : 'are'} being frozen; omx jobs shows when ${jobs === 1 ? 'it is' : 'they are'}`,
      wake: 'wish',
      nothing: 'nothing to freeze: none of these jobs runs, or they are frozen already',
      change: freezeTarget,
    });
  }
  return control(io, selectors, options, {
    done: 'paused',
    wake: 'wish',
    nothing: 'nothing to pause: none of these jobs runs',
    change: async (session, target) => ({
      changed: await apply(session, target, (job) =>
        isAtWork(job) && job.status !== 'paused' && job.wish === 'none' ? { type: 'wish', wish: 'pause' } : undefined,
      ),
    }),
  });
}

/** `omx resume`: paused and frozen jobs go on, and those whose pause is still on its way run on. */
export async function resume(io: Io, selectors: readonly string[], options: ControlOptions): Promise<number> {
  return control(io, selectors, options, {
    done: 'resumed',
    wake: 'wish',
    nothing: 'nothing to resume: none of these jobs is paused or frozen',
    change: async (session, target) => ({
      changed: await apply(session, target, (job) =>
        job.wish === 'pause' || job.wish === 'freeze' ? { type: 'wish', wish: 'none' } : undefined,
      ),
    }),
  });
}

async function control(io: Io, selectors: readonly string[], options: ControlOptions, verb: Verb): Promise<number> {
  jobFilter(options);
  return withSession(io, options, async (session) => {
    let total = 0;
    let refusals = 0;
    for (const target of await targetsOf(session, selectors, options)) {
      const { id } = target.batch;
      const { changed, remark, refused = 0 } = await verb.change(session, target);
      total += changed;
      refusals += refused;
      if (changed > 0) {
        await session.batches.addNote(id, `${jobsText(changed)} ${verb.done} by a user`);
        await session.batches.wake(id, verb.wake);
      }
      if (options.json === true) continue;
      if (changed > 0) await writeLine(io, `${id}: ${jobsText(changed)} ${verb.begun?.(changed) ?? verb.done}`);
      if (remark !== undefined) await writeLine(io, `${id}: ${remark}`);
    }
    if (options.json === true) await writeJson(io, { [verb.done]: total });
    else if (total + refusals === 0) await writeLine(io, verb.nothing);
    return refusals === 0 ? ExitCode.ok : ExitCode.jobsFailed;
  });
}

/** On its way to another node it is frozen for a moment, without anybody's wish. */
function isAtWork({ status }: Job): boolean {
  return status === 'running' || status === 'paused' || status === 'frozen';
}

async function freezeTarget(session: Session, target: Target): Promise<Change> {
  const others = new Set<number>();
  const changed = await apply(session, target, (job, ordinal) => {
    if (!isAtWork(job) || (job.wish !== 'none' && job.wish !== 'pause')) return undefined;
    if ('launcher' in job && job.launcher === 'criu') return { type: 'wish', wish: 'freeze' };
    others.add(ordinal);
    return undefined;
  });
  const { size } = others;
  if (size === 0) return { changed };
  const remark = `${jobsText(size)} cannot be frozen, as only jobs that were started with --launcher criu can; omx pause without --freeze stops them in memory`;
  return { changed, remark, refused: size };
}

async function holdTarget(session: Session, target: Target): Promise<Change> {
  let { batch } = target;
  let changed = 0;
  if (target.whole) {
    if (await hasEnded(session, batch)) return { changed };
    // What waits for other batches is no longer let go by their end, but by `omx release`.
    const waited =
      batch.untouched === 'held' &&
      takesUntouched(target, 'held') &&
      (await session.redis.srem(globalKeys.waiting, batch.id)) === 1;
    const from = (waited ? (['queued', 'held'] as const) : (['queued'] as const)).filter((state) =>
      takesUntouched(target, state),
    );
    const flipped = await changeUntouched(session, batch, from, 'held', 'held by omx hold');
    ({ batch } = flipped);
    changed += flipped.changed;
  }
  const claimed = new Set<number>();
  changed += await apply(session, { ...target, batch }, (job, ordinal) => {
    if (job.status === 'leased') claimed.add(ordinal);
    return job.status === 'queued' ? { type: 'hold' } : undefined;
  });
  const { size } = claimed;
  return size === 0
    ? { changed }
    : { changed, remark: `${jobsText(size)} ${size === 1 ? 'is' : 'are'} with a node already and about to start` };
}

async function releaseTarget(session: Session, target: Target): Promise<Change> {
  let { batch } = target;
  let changed = 0;
  if (takesUntouched(target, 'held')) {
    ({ batch, changed } = await releaseUntouched(session, batch, 'held'));
    if (changed > 0) await session.redis.srem(globalKeys.waiting, batch.id);
  }
  changed += await apply(
    session,
    { ...target, batch },
    (job) => (job.status === 'held' ? { type: 'release' } : undefined),
    true,
  );
  return { changed };
}

async function apply(
  session: Session,
  target: Target,
  choose: (job: Job, ordinal: number) => JobEvent | undefined,
  offer = false,
): Promise<number> {
  const spans = await touchedSpans(session, target);
  const changed = await session.jobs.apply(
    target.batch,
    spans,
    (job, ordinal) => (target.passes(job) ? choose(job, ordinal) : undefined),
    { failedOnly: target.failedOnly, offer },
  );
  return changed.length;
}
