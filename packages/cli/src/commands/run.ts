import { type Batch, ExitCode, type OmxError } from '@omx/core';
import { queueClock } from '@omx/queue';

import { refuseOnGuest } from '../guest.ts';
import { type Io, say } from '../io.ts';
import { streamNames } from '../output/attempt-output.ts';
import { Follower } from '../output/follower.ts';
import { printGrouped } from '../output/grouped-output.ts';
import { reportError } from '../output/print-jobs.ts';
import { exitCodeOf, failuresText, outcomeText } from '../output/run-outcome.ts';
import { RawSink } from '../output/sink.ts';
import type { SubmitOptions } from '../read-batch.ts';
import { createProgress, type ProgressDisplay } from '../render/progress.ts';
import { classicTimes } from '../render/times.ts';
import { type Session, withSession } from '../session.ts';
import { readChecked, submitBatch, warnUnplaced } from '../submit-batch.ts';
import { waitFor } from '../wait-for.ts';

interface RunOptions extends SubmitOptions {
  readonly progress?: boolean;
  readonly quiet?: boolean;
}

/** `omx run`: submits, prints the output as it comes, waits, and ends as `time` would. */
export async function run(io: Io, words: readonly string[], options: RunOptions): Promise<number> {
  const read = await readChecked(io, words, options);
  return withSession(io, options, async (session) => {
    await refuseOnGuest(io, session);
    const began = performance.now();
    const submitted = await submitBatch(session, read);
    const { id } = submitted;
    warnUnplaced(io, submitted);
    const batch = await session.batches.load(id);
    const code = await watch(io, session, batch, options);
    if (code === ExitCode.interrupted) {
      say(io, `       omx tail -f ${id} shows its output`);
      return code;
    }
    return summary(io, session, batch, { real: (performance.now() - began) / 1000, quiet: options.quiet === true });
  });
}

/** Prints output and progress until the batch has ended. */
async function watch(io: Io, session: Session, batch: Batch, options: RunOptions): Promise<number> {
  const show = { progress: options.progress === true, quiet: options.quiet === true };
  const progress = createProgress(io, show, queueClock.now());
  const sink = new RawSink(io, { merged: false, before: () => progress.clear() });
  const display: ProgressDisplay = {
    // A line of output that goes on must not be drawn over.
    update: (view, now) => {
      if (sink.isAtLineStart) progress.update(view, now);
    },
    clear: () => progress.clear(),
  };
  const stop = new AbortController();
  const output = follow(io, session, batch, sink, stop.signal);
  try {
    // A failure of the output ends the wait too.
    const code = await Promise.race([
      waitFor(io, session, [batch.id], { ...show, display }),
      output.then(async () => new Promise<never>(() => {})),
    ]);
    if (code === ExitCode.interrupted) stop.abort();
    await output;
    return code;
  } finally {
    stop.abort();
  }
}

/** A single job's output as it is written; of several jobs, each one's whole when it has ended. */
async function follow(io: Io, session: Session, batch: Batch, sink: RawSink, signal: AbortSignal): Promise<void> {
  const selection = { batch, spans: [{ first: 0, last: batch.total - 1 }], whole: true };
  const onError = (id: string, error: OmxError): void => reportError(io, false, id, error);
  if (batch.total === 1) await new Follower(session, sink, selection, { streams: streamNames, signal, onError }).run();
  else await printGrouped(session, sink, selection, { signal, onError });
}

async function summary(
  io: Io,
  session: Session,
  batch: Batch,
  { real, quiet }: { readonly real: number; readonly quiet: boolean },
): Promise<number> {
  const { counts, userUs, sysUs } = await session.batches.progress(batch);
  const failed = counts.failed + counts.lost;
  const single = batch.total === 1 ? (await session.jobs.read(batch, [0]))[0]?.job : undefined;
  let code: number = failed + counts.cancelled === 0 ? ExitCode.ok : ExitCode.jobsFailed;
  if (single?.status === 'ended') {
    const { outcome } = single;
    code = exitCodeOf(outcome);
    // Where the program had its say, quiet is quiet; what omx alone knows is always told.
    const own = outcome.kind === 'exited' || outcome.kind === 'signalled';
    if (outcome.kind !== 'succeeded' && !(quiet && own))
      say(io, `${batch.id}: the job ${outcomeText(outcome)}: omx why ${batch.id}, omx rerun ${batch.id}`);
  } else if (failed > 0 && !quiet) say(io, failuresText(batch.id, failed, batch.total));
  else if (counts.cancelled > 0 && !quiet)
    say(io, `${batch.id}: ${counts.cancelled} of ${batch.total} jobs were cancelled: omx why ${batch.id}`);
  if (!quiet) for (const line of ['', ...classicTimes({ real, user: userUs / 1e6, sys: sysUs / 1e6 })]) say(io, line);
  return code;
}
