import { ExitCode, parseDuration, type Span, spansOf } from '@omx/core';
import { queueClock } from '@omx/queue';

import { type Io, writeJson } from '../io.ts';
import { failuresOnly, jobFilter, select, type Selection, type StateFilter } from '../select.ts';
import { type Session, withSession } from '../session.ts';
import { waitFor } from '../wait-for.ts';

interface WaitCommandOptions extends StateFilter {
  readonly redis?: string;
  readonly timeout?: string;
  readonly progress?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

/** `omx wait`: until the jobs have ended; with `--json` their status then. */
export async function wait(io: Io, selectors: readonly string[], options: WaitCommandOptions): Promise<number> {
  const timeoutMs = options.timeout === undefined ? undefined : parseDuration(options.timeout);
  const json = options.json === true;
  return withSession(io, options, async (session) => {
    const selected = await select(session, selectors);
    const selections =
      options.state === undefined && options.failed !== true ? selected : await narrowed(session, selected, options);
    const code = await waitFor(io, session, selections, {
      progress: options.progress === true,
      quiet: options.quiet === true,
      json,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    });
    // Given up, the error on stderr is the answer; the queue may even be away.
    if (json && (code === ExitCode.ok || code === ExitCode.jobsFailed))
      await printStatus(io, session, selectors, selections);
    return code;
  });
}

async function printStatus(
  io: Io,
  session: Session,
  selectors: readonly string[],
  selections: readonly Selection[],
): Promise<void> {
  const { statusJson, viewSelection } = await import('../batch-view.ts');
  const views: Record<string, unknown>[] = [];
  for (const selection of selections) {
    // Read anew: jobs may have been held, released or cancelled as a whole since.
    const batch = await session.batches.load(selection.batch.id);
    views.push(statusJson(await viewSelection(session, { ...selection, batch }, queueClock.now())));
  }
  await writeJson(io, selectors.length === 1 && selectors[0] !== 'all' && views.length === 1 ? views[0] : views);
}

/** The jobs that are in the states asked for now; they are waited for whatever becomes of them. */
async function narrowed(session: Session, selections: readonly Selection[], filter: StateFilter): Promise<Selection[]> {
  const passes = jobFilter(filter);
  const result: Selection[] = [];
  for (const { batch, spans } of selections) {
    const found: Span[] = [];
    for await (const snapshots of session.jobs.scan(batch, spans, { failedOnly: failuresOnly(filter) })) {
      found.push(...spansOf(snapshots.filter(({ job }) => passes(job)).map(({ ordinal }) => ordinal)));
    }
    if (found.length > 0) result.push({ batch, spans: found, whole: false });
  }
  return result;
}
