import { type BatchState, batchState, indexOf, jobId, stateName, type StateCounts } from '@omx/core';
import { queueClock } from '@omx/queue';

import { jobsText } from '../acting/wording.ts';
import { type Io, say, write } from '../io.ts';
import { type Paint, painter, paintState } from '../render/paint.ts';
import { failuresOnly, jobFilter, select, type Selection, type StateFilter } from '../select.ts';
import { type Session, withSession } from '../session.ts';
import { Explainer } from '../why/explainer.ts';
import { groupSelector, JobGroups } from '../why/groups.ts';
import { noteText } from '../why/notes.ts';

interface WhyOptions extends StateFilter {
  readonly redis?: string;
  readonly json?: boolean;
}

/** A batch or a job, and why it is as it is. */
interface Explanation {
  readonly id: string;
  readonly state: string;
  readonly reasons: readonly string[];
}

/** Newest notes of a batch that are shown. */
const shownNotes = 10;

/** `omx why`: of chosen jobs each, of a whole batch a summary. */
export async function why(io: Io, selectors: readonly string[], options: WhyOptions): Promise<number> {
  const filtered = options.failed === true || options.state !== undefined;
  const paint = painter(io);
  jobFilter(options);
  return withSession(io, options, async (session) => {
    let shown = 0;
    for (const selection of await select(session, selectors)) {
      const explainer = await Explainer.of(session, selection.batch, queueClock.now());
      const summary = selection.whole && !filtered && selection.batch.total > 1;
      const explanations = summary
        ? summarise(session, selection, explainer)
        : eachJob(session, selection, explainer, options);
      for await (const explanation of explanations) {
        await write(io.stdout, options.json === true ? `${JSON.stringify(explanation)}\n` : text(explanation, paint));
        shown += 1;
        if (io.stdout.destroyed) return 0;
      }
    }
    if (shown === 0 && options.json !== true) say(io, 'no such jobs');
    return 0;
  });
}

async function* eachJob(
  session: Session,
  { batch, spans }: Selection,
  explainer: Explainer,
  filter: StateFilter,
): AsyncGenerator<Explanation> {
  const passes = jobFilter(filter);
  for await (const snapshots of session.jobs.scan(batch, spans, { failedOnly: failuresOnly(filter) })) {
    for (const snapshot of snapshots) {
      if (!passes(snapshot.job)) continue;
      const id = jobId(batch.id, indexOf(batch.spec.jobs, snapshot.ordinal));
      yield { id, state: stateName(snapshot.job), reasons: await explainer.reasons(snapshot) };
    }
  }
}

async function* summarise(
  session: Session,
  { batch, spans }: Selection,
  explainer: Explainer,
): AsyncGenerator<Explanation> {
  const { counts } = await session.batches.progress(batch);
  const now = queueClock.now();
  const state = batchState(counts, batch.total);
  const notes = explainer.notes.slice(-shownNotes).map((line) => `noted: ${noteText(line, now)}`);
  if (counts.succeeded === batch.total) {
    yield { id: batch.id, state, reasons: [`all ${batch.total} jobs succeeded`, ...notes] };
    return;
  }
  const groups = new JobGroups({
    indexOf: (ordinal) => indexOf(batch.spec.jobs, ordinal),
    nodeName: (node) => explainer.nodeName(node),
    now,
  });
  // Those that succeeded are counted already, and where all others failed it is known in which blocks those are.
  const failedOnly = counts.succeeded + counts.failed + counts.lost === batch.total;
  for await (const snapshots of session.jobs.scan(batch, spans, { failedOnly }))
    for (const snapshot of snapshots) if (stateName(snapshot.job) !== 'succeeded') groups.add(snapshot);
  const reasons: string[] = [];
  for (const group of groups.all()) {
    const { count, title, sample } = group;
    const selector = groupSelector(batch.id, group);
    reasons.push(`${jobsText(count)} ${title} (${selector})`);
    const hint = count === 1 ? selector : batch.id;
    const details = await explainer.presentReasons(sample, hint);
    // Of most ended jobs the first line says what the group's title says.
    const { job } = sample;
    const said =
      job.status === 'ended' && !(job.outcome.kind === 'cancelled' && job.attempt === 0) ? details.slice(1) : details;
    const name = jobId(batch.id, indexOf(batch.spec.jobs, sample.ordinal));
    reasons.push(
      ...said.map(
        (line) =>
          `  ${count === 1 || !/^(?:the last line|it (?:runs|is stopped|is frozen) on|its limit)/.test(line) ? line : `${name}: ${line}`}`,
      ),
    );
  }
  if (counts.succeeded > 0) reasons.push(`${jobsText(counts.succeeded)} succeeded`);
  yield { id: batch.id, state, reasons: [...headline(state, counts, batch.total), ...reasons, ...notes] };
}

function headline(state: BatchState, counts: StateCounts, total: number): string[] {
  if (state !== 'failed') return [];
  return [
    `it failed because ${counts.failed + counts.lost} of its ${total} jobs did; omx why SELECTOR says more of one of them`,
  ];
}

function text({ id, state, reasons }: Explanation, paint: Paint): string {
  return `${paint('bold', id)}  ${paintState(paint, state)}\n${reasons.map((reason) => `  ${reason}\n`).join('')}`;
}
