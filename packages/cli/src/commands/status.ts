import { type BatchSpec, doneCount, formatDuration, quoteWord, textOf } from '@omx/core';
import { queueClock } from '@omx/queue';

import { type BatchView, statusJson, viewSelection } from '../batch-view.ts';
import { type Io, say, write, writeJson } from '../io.ts';
import { type Paint, painter, paintState } from '../render/paint.ts';
import { type Column, cut, oneLine, renderTable } from '../render/table.ts';
import { localTime, seconds } from '../render/times.ts';
import { select, type Selection, type StateFilter } from '../select.ts';
import { type Session, withSession } from '../session.ts';

interface StatusOptions extends StateFilter {
  readonly redis?: string;
  readonly all?: boolean;
  readonly json?: boolean;
}

const newestCount = 20;
/** Batches read at a time: many in flight at once are fast, all of thousands would be memory. */
const together = 100;

/** `omx status`: batches, a line each; of one batch its detail. */
export async function status(io: Io, selectors: readonly string[], options: StatusOptions): Promise<number> {
  return withSession(io, options, async (session) => {
    const selections =
      selectors.length > 0 ? await select(session, selectors) : await newest(session, options.all === true);
    const now = queueClock.now();
    const [only] = selections;
    if (only !== undefined && selections.length === 1 && selectors.length === 1 && selectors[0] !== 'all') {
      const view = await viewSelection(session, only, now, options);
      await (options.json === true
        ? writeJson(io, statusJson(view))
        : write(io.stdout, detail(view, painter(io), now)));
      return 0;
    }
    const views: BatchView[] = [];
    for (let at = 0; at < selections.length; at += together) {
      views.push(
        ...(await Promise.all(
          selections.slice(at, at + together).map(async (each) => viewSelection(session, each, now, options)),
        )),
      );
    }
    // With --state and --failed: only batches that have such jobs.
    const shown = views.filter((view) => view.total > 0);
    if (options.json === true) await writeJson(io, shown.map(statusJson));
    else if (shown.length > 0)
      await write(io.stdout, `${renderTable(columns, rows(shown, painter(io)), painter(io)).join('\n')}\n`);
    else
      say(io, views.length > 0 ? 'no batch has such jobs' : 'there is no batch yet: omx submit -- COMMAND makes one');
    return 0;
  });
}

async function newest(session: Session, all: boolean): Promise<Selection[]> {
  const ids = await session.batches.newest(all ? Number.MAX_SAFE_INTEGER : newestCount);
  const selections: Selection[] = [];
  for (let at = 0; at < ids.length; at += together) {
    const batches = await Promise.all(ids.slice(at, at + together).map(async (id) => session.batches.find(id)));
    for (const batch of batches)
      if (batch !== undefined) selections.push({ batch, spans: [{ first: 0, last: batch.total - 1 }], whole: true });
  }
  return selections;
}

const columns: readonly Column[] = [
  { title: 'id' },
  { title: 'name' },
  { title: 'state' },
  { title: 'done/total', align: 'right' },
  { title: 'failed', align: 'right' },
  { title: 'eta', align: 'right' },
];

function rows(views: readonly BatchView[], paint: Paint): string[][] {
  return views.map((view) => {
    const failed = view.counts.failed + view.counts.lost;
    return [
      view.id,
      cut(oneLine(view.selection.batch.spec.name), 40),
      paintState(paint, view.state),
      `${doneCount(view.counts)}/${view.total}`,
      failed === 0 ? '0' : paint('red', String(failed)),
      view.etaMs === undefined ? '-' : formatDuration(view.etaMs),
    ];
  });
}

function detail(view: BatchView, paint: Paint, now: number): string {
  const { batch } = view.selection;
  const { spec } = batch;
  const time = (ms: number | undefined): string => (ms === undefined ? '-' : localTime(ms, now));
  const eta = view.etaMs === undefined ? '' : `  (eta ${formatDuration(view.etaMs)})`;
  const facts: (readonly [string, string])[] = [
    ['state', paintState(paint, view.state)],
    ['jobs', `${doneCount(view.counts)}/${view.total} done${countsText(view, paint)}${eta}`],
    ['submitted', time(batch.submittedAt)],
    ['started', time(view.startedAt)],
    ['ended', time(view.endedAt)],
    [
      'times',
      `real ${seconds(view.realMs / 1000)}s  user ${seconds(view.userUs / 1e6)}s  sys ${seconds(view.sysUs / 1e6)}s`,
    ],
    ['command', commandText(view)],
    ['in', oneLine(textOf(spec.cwd))],
    ...(movingText(spec) === '' ? [] : [['moving', movingText(spec)] as const]),
    ...(spec.parse === undefined ? [] : [['parser', oneLine(spec.parse)] as const]),
    ...(batch.note === '' ? [] : [['note', oneLine(batch.note)] as const]),
    ['next', nextCommands(view).join('    ')],
  ];
  const head = `${paint('bold', view.id)}  ${oneLine(spec.name)}\n`;
  return head + facts.map(([name, text]) => `  ${paint('dim', name.padEnd(10))}${text}\n`).join('');
}

function countsText({ counts }: BatchView, paint: Paint): string {
  const present = Object.entries(counts).filter(([, count]) => count > 0);
  return present.length === 0
    ? ''
    : `: ${present.map(([state, count]) => `${count} ${paintState(paint, state)}`).join(', ')}`;
}

function commandText({ selection }: BatchView): string {
  const { command, shell, jobs } = selection.batch.spec;
  if (jobs.kind === 'commands') return `${jobs.count} commands, one a job`;
  const words = command.map((word) => (shell ? textOf(word) : textOf(quoteWord(word)))).join(' ');
  return cut(oneLine(shell ? `sh -c ${words}` : words), 200);
}

/** What was asked for about moving the jobs, in the words of the command line. */
function movingText({ balance, checkpointMs, oversubscribe, forkMigrate }: BatchSpec): string {
  return [
    ...(balance ? [] : ['--balance off']),
    ...(checkpointMs === undefined ? [] : [`--checkpoint-every ${formatDuration(checkpointMs)}`]),
    ...(oversubscribe ? ['--oversubscribe'] : []),
    ...(forkMigrate ? ['--fork-migrate'] : []),
  ].join(' ');
}

/** What a person is likely to want now. */
function nextCommands(view: BatchView): string[] {
  const { id, counts, state } = view;
  const failed = counts.failed + counts.lost > 0;
  const trouble = failed ? [`omx why ${id}`, `omx logs ${id} --failed --err`] : [];
  const rows = view.selection.batch.spec.parse === undefined ? [] : [`omx results ${id}`];
  switch (state) {
    case 'held':
      return [`omx why ${id}`, `omx release ${id}`];
    case 'queued':
      return [`omx why ${id}`, `omx wait ${id}`];
    case 'running':
      return [...trouble, `omx tail -f ${id}`, `omx wait ${id}`];
    case 'failed':
      return [...trouble, `omx rerun ${id}`];
    case 'cancelled':
      return [`omx why ${id}`, `omx rerun ${id} --on cancelled`];
    case 'succeeded':
      return [`omx logs ${id}`, ...rows, `omx time ${id}`];
  }
}
