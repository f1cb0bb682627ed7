import type { Job, Span } from '@omx/core';

import { failuresOnly, jobFilter, select, type Selection, type StateFilter } from '../select.ts';
import type { Session } from '../session.ts';

/** Jobs that a command is to change: what the selectors name, and which of those `--state` and `--failed` leave. */
export interface Target extends Selection {
  readonly passes: (job: Job) => boolean;
  /** Nothing but failed jobs can pass, so only blocks with failures need be read. */
  readonly failedOnly: boolean;
  /** `--state` or `--failed` was given. */
  readonly narrowed: boolean;
  /** Nobody has named this batch: `all` was. */
  readonly isOneOfAll: boolean;
}

/** Reads a command's selectors, one target a batch; a job named twice is changed once. */
export async function targetsOf(
  session: Session,
  selectors: readonly string[],
  filter: StateFilter,
): Promise<Target[]> {
  const passes = jobFilter(filter);
  const narrowed = filter.failed === true || filter.state !== undefined;
  return mergeBatches(await select(session, selectors)).map((selection) => ({
    ...selection,
    passes,
    narrowed,
    isOneOfAll: selectors.includes('all'),
    failedOnly: narrowed && failuresOnly(filter),
  }));
}

/** Selections of the same batch joined, in the order in which the batches were first named. */
export function mergeBatches(selections: readonly Selection[]): Selection[] {
  const merged = new Map<string, Selection>();
  for (const selection of selections) {
    const { batch, spans, whole } = selection;
    const earlier = merged.get(batch.id);
    if (earlier?.whole === true) continue;
    merged.set(
      batch.id,
      whole ? selection : { batch, whole: false, spans: mergeSpans([...(earlier?.spans ?? []), ...spans]) },
    );
  }
  return [...merged.values()];
}

/** Rising spans that touch nowhere. */
function mergeSpans(spans: readonly Span[]): Span[] {
  const joined: { first: number; last: number }[] = [];
  for (const { first, last } of [...spans].sort((a, b) => a.first - b.first)) {
    const open = joined.at(-1);
    if (open !== undefined && first <= open.last + 1) open.last = Math.max(open.last, last);
    else joined.push({ first, last });
  }
  return joined;
}
