import {
  type Batch,
  type Bytes,
  eachOf,
  formatSpans,
  type JobLimits,
  OmxError,
  type Revision,
  type Span,
  spansOf,
} from '@omx/core';
import { queueClock } from '@omx/queue';

import type { Session } from '../session.ts';
import type { Causes } from './causes.ts';
import type { Target } from './selected.ts';
import { releaseUntouched, takesUntouched, touchedSpans, untouchedJob } from './untouched.ts';
import { jobsText } from './wording.ts';

/** What a rerun changes for the jobs it runs again. */
export interface Changes {
  readonly limits: Partial<JobLimits>;
  readonly args: readonly Bytes[] | undefined;
}

/** One batch's part of a rerun: which of its jobs. */
export interface Again {
  readonly target: Target;
  readonly causes: Causes;
}

/** The jobs that are to run again, as they stand now. */
export async function spansAgain(session: Session, { target, causes }: Again): Promise<Span[]> {
  const spans: Span[] = [];
  for await (const snapshots of session.jobs.scan(target.batch, target.spans, {
    failedOnly: causes.failuresOnly || target.failedOnly,
  })) {
    for (const span of spansOf(
      snapshots.filter(({ job }) => target.passes(job) && causes.test(job)).map(({ ordinal }) => ordinal),
    )) {
      const open = spans.at(-1);
      if (open !== undefined && open.last + 1 === span.first)
        spans[spans.length - 1] = { first: open.first, last: span.last };
      else spans.push(span);
    }
  }
  return spans;
}

/** Puts the jobs back into the queue as new attempts. @returns how many */
export async function runAgain(session: Session, again: Again, changes: Changes): Promise<number> {
  const { target, causes } = again;
  const { id } = target.batch;
  let { batch, spans } = target;
  if (isChange(changes)) {
    // The change is stored first: a worker that sees a job queued again must find it.
    spans = await spansAgain(session, again);
    if (spans.length === 0) return 0;
    batch = await session.batches.load(id);
    await session.batches.addRevision(batch, revisionOf(spans, changes));
  }
  let untouched = 0;
  // A batch that was cancelled before it was begun comes back in one step, like one that is released.
  if (takesUntouched(target, 'cancelled') && causes.test(untouchedJob('cancelled'))) {
    ({ batch, changed: untouched } = await releaseUntouched(session, batch, 'cancelled'));
  }
  const failedOnly = causes.failuresOnly || target.failedOnly;
  if (!isChange(changes) && !failedOnly) spans = await touchedSpans(session, target);
  const changed = await session.jobs.apply(
    batch,
    spans,
    (job) => (target.passes(job) && causes.test(job) ? { type: 'rerun', at: queueClock.now() } : undefined),
    {
      failedOnly,
      offer: true,
    },
  );
  const total = untouched + changed.length;
  if (total === 0) return 0;
  await session.batches.addNote(id, `${jobsText(total)} queued again by omx rerun${describe(changes)}`);
  await session.batches.wake(id, 'chunks');
  return total;
}

export function isChange({ limits, args }: Changes): boolean {
  return args !== undefined || Object.keys(limits).length > 0;
}

export function revisionOf(spans: readonly Span[], { limits, args }: Changes): Revision {
  return { jobs: formatSpans(spans), limits, ...(args === undefined ? {} : { args }) };
}

/**
 * The limits all of these jobs have; a new batch has one set of them.
 * @throws OmxError where earlier reruns gave them different ones
 */
export function commonLimits(
  batch: Batch,
  spans: readonly Span[],
  limitsOf: (ordinal: number) => JobLimits,
): JobLimits {
  if (batch.revisions.length === 0) return limitsOf(spans[0]?.first ?? 0);
  let common: { readonly limits: JobLimits; readonly text: string } | undefined;
  for (const ordinal of eachOf(spans)) {
    const limits = limitsOf(ordinal);
    const text = JSON.stringify(Object.entries(limits).sort(([a], [b]) => (a < b ? -1 : 1)));
    common ??= { limits, text };
    if (text === common.text) continue;
    throw new OmxError(
      `${batch.id}: these jobs have different limits (from earlier reruns with --set), and a batch has one set of them`,
      {
        code: 'LIMITS_DIFFER',
        hint: 'select jobs with the same limits, or say all of them with --set',
      },
    );
  }
  return common?.limits ?? batch.spec.limits;
}

function describe({ limits, args }: Changes): string {
  const changed = [...Object.keys(limits), ...(args === undefined ? [] : ['arguments'])];
  return changed.length === 0 ? '' : ` with other ${changed.join(', ')}`;
}
