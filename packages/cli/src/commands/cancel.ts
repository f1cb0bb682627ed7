import { type Job, type JobEvent, parseDuration, within } from '@omx/core';
import { queueClock } from '@omx/queue';

import { type Target, targetsOf } from '../acting/selected.ts';
import { changeUntouched, hasEnded, takesUntouched, touchedSpans } from '../acting/untouched.ts';
import { jobsText } from '../acting/wording.ts';
import { type Io, writeJson, writeLine } from '../io.ts';
import { jobFilter, type StateFilter } from '../select.ts';
import { type QueueOptions, type Session, withSession } from '../session.ts';

interface CancelOptions extends QueueOptions, StateFilter {
  readonly reason?: string;
  readonly grace?: string;
  readonly json?: boolean;
}

interface Cancelled {
  /** Jobs that waited: they have ended now. */
  readonly cancelled: number;
  /** Jobs a node holds: it has been told to end them. */
  readonly ending: number;
}

/** `omx cancel`: waiting jobs end here and now, what runs is ended by its node. Does not wait for that. */
export async function cancel(io: Io, selectors: readonly string[], options: CancelOptions): Promise<number> {
  const { grace } = options;
  const graceMs = grace === undefined ? undefined : within('--grace', () => parseDuration(grace));
  jobFilter(options);
  return withSession(io, options, async (session) => {
    const total = { cancelled: 0, ending: 0 };
    const targets = await targetsOf(session, selectors, options);
    for (const target of targets) {
      const done = await cancelTarget(session, target, { reason: options.reason, graceMs });
      total.cancelled += done.cancelled;
      total.ending += done.ending;
      if (options.json !== true) await tell(io, target.batch.id, done);
    }
    if (options.json === true) await writeJson(io, total);
    else if (total.cancelled + total.ending === 0)
      await writeLine(io, `nothing to cancel: ${targets.length === 0 ? 'there is no batch' : 'these jobs have ended'}`);
    return 0;
  });
}

async function cancelTarget(
  session: Session,
  target: Target,
  how: { readonly reason: string | undefined; readonly graceMs: number | undefined },
): Promise<Cancelled> {
  const { id } = target.batch;
  const note = `cancelled by omx cancel${how.reason === undefined ? '' : `: ${how.reason}`}`;
  let { batch } = target;
  let cancelled = 0;
  if (target.whole) {
    if (await hasEnded(session, batch)) return { cancelled, ending: 0 };
    const from = (['queued', 'held'] as const).filter((state) => takesUntouched(target, state));
    const flipped = await changeUntouched(session, batch, from, 'cancelled', note);
    ({ batch } = flipped);
    cancelled += flipped.changed;
  }
  const ending = new Set<number>();
  const changed = await session.jobs.apply(
    batch,
    await touchedSpans(session, target),
    (job, ordinal) => {
      const event = target.passes(job) ? cancelEvent(job) : undefined;
      // What is chosen last, after others were faster, is what came of the job.
      if (event?.type === 'wish') ending.add(ordinal);
      else ending.delete(ordinal);
      return event;
    },
    { failedOnly: target.failedOnly },
  );
  cancelled += changed.length - ending.size;
  if (cancelled + ending.size > 0)
    await session.batches.addNote(id, `${note} (${cancelled} waiting, ${ending.size} on nodes)`);
  if (ending.size > 0) await session.batches.wake(id, 'wish', how.graceMs);
  // Places of a throttled batch that the cancelled jobs waited for may be free.
  if (cancelled > 0) await session.batches.wake(id, 'chunks');
  return { cancelled, ending: ending.size };
}

function cancelEvent(job: Job): JobEvent | undefined {
  switch (job.status) {
    case 'queued':
    case 'held':
      return { type: 'cancel', by: 'user', at: queueClock.now() };
    case 'leased':
    case 'running':
    case 'paused':
    case 'frozen':
      return { type: 'wish', wish: 'cancel' };
    case 'ended':
      return undefined;
  }
}

async function tell(io: Io, id: string, { cancelled, ending }: Cancelled): Promise<void> {
  if (cancelled + ending === 0) return;
  const parts = [
    ...(cancelled === 0 ? [] : [`${jobsText(cancelled)} cancelled`]),
    ...(ending === 0
      ? []
      : [`${cancelled === 0 ? jobsText(ending) : ending} ${ending === 1 ? 'is' : 'are'} being ended`]),
  ];
  await writeLine(io, `${id}: ${parts.join(', ')}`);
  if (ending > 0) await writeLine(io, `  omx wait ${id}    waits until they have ended`);
}
