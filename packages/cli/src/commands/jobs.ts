import { formatBytes, indexOf } from '@omx/core';
import { batchKeys, type JobSnapshot, queueClock } from '@omx/queue';

import { type Io, say, write } from '../io.ts';
import { JobCommands } from '../acting/job-commands.ts';
import { type JobView, jobView } from '../job-view.ts';
import { type Paint, painter, paintState } from '../render/paint.ts';
import { type Column, columnWidths, renderHead, renderRow } from '../render/table.ts';
import { seconds } from '../render/times.ts';
import { failuresOnly, jobFilter, select, type Selection, type StateFilter } from '../select.ts';
import { type Session, withSession } from '../session.ts';

interface JobsOptions extends StateFilter {
  readonly redis?: string;
  readonly json?: boolean;
}

/** `omx jobs`: one line a job, written as they are read. */
export async function jobs(io: Io, selectors: readonly string[], options: JobsOptions): Promise<number> {
  const passes = jobFilter(options);
  return withSession(io, options, async (session) => {
    const selections = await select(session, selectors);
    const output =
      options.json === true ? new JsonLines(io) : new TableLines(io, selections, await haveMoved(session, selections));
    let shown = 0;
    for (const selection of selections) {
      const { batch, spans } = selection;
      const commands = new JobCommands(session.batches, batch);
      let nodeNames = await session.batches.nodeNames(batch.id);
      for await (const snapshots of session.jobs.scan(batch, spans, { failedOnly: failuresOnly(options) })) {
        const chosen = snapshots.filter(({ job }) => passes(job));
        if (chosen.some((snapshot) => isUnknownNode(snapshot, nodeNames)))
          nodeNames = await session.batches.nodeNames(batch.id);
        const views = await viewAll(selection, chosen, nodeNames, output.needsArgv ? commands : undefined);
        await output.write(views);
        shown += views.length;
        if (io.stdout.destroyed) return 0;
      }
    }
    if (shown === 0 && options.json !== true) say(io, 'no such jobs');
    return 0;
  });
}

/** Whether there is a job that has moved: only then a column for it is worth its room. */
async function haveMoved(session: Session, selections: readonly Selection[]): Promise<boolean> {
  const keys = selections.map(({ batch }) => batchKeys(batch.id).moves);
  const replies = (await session.redis.pipeline(keys.map((key) => ['exists', key])).exec()) ?? [];
  return replies.some(([, found]) => found === 1);
}

/** A node may join while the batch is read. */
function isUnknownNode({ job }: JobSnapshot, nodeNames: ReadonlyMap<number, string>): boolean {
  return 'node' in job && job.node !== undefined && !nodeNames.has(job.node);
}

async function viewAll(
  { batch }: Selection,
  snapshots: readonly JobSnapshot[],
  nodeNames: ReadonlyMap<number, string>,
  commands: JobCommands | undefined,
): Promise<JobView[]> {
  const now = queueClock.now();
  const views: JobView[] = [];
  for (const snapshot of snapshots) {
    const argv = commands === undefined ? [] : await commands.argv(snapshot.ordinal);
    views.push(jobView(batch, snapshot, nodeNames, argv, now));
  }
  return views;
}

class JsonLines {
  readonly needsArgv = true;
  readonly #io: Io;

  constructor(io: Io) {
    this.#io = io;
  }

  async write(views: readonly JobView[]): Promise<void> {
    if (views.length > 0) await write(this.#io.stdout, views.map((view) => `${JSON.stringify(view)}\n`).join(''));
  }
}

/** The first block decides the widths, so that a million rows need not be kept. */
class TableLines {
  readonly needsArgv = false;
  readonly #io: Io;
  readonly #paint: Paint;
  readonly #columns: readonly Column[];
  readonly #withMoves: boolean;
  #widths: number[] | undefined;

  constructor(io: Io, selections: readonly Selection[], withMoves: boolean) {
    this.#io = io;
    this.#withMoves = withMoves;
    this.#paint = painter(io);
    const widestId = Math.max(
      0,
      ...selections.map(({ batch }) => batch.id.length + 1 + String(indexOf(batch.spec.jobs, batch.total - 1)).length),
    );
    this.#columns = [
      { title: 'id', minWidth: selections.some(({ whole }) => whole) ? widestId : 0 },
      { title: 'state', minWidth: 9 },
      { title: 'exit', minWidth: 4 },
      { title: 'node' },
      ...(withMoves ? [{ title: 'moves', align: 'right' } as const] : []),
      { title: 'try', align: 'right' },
      { title: 'real', align: 'right', minWidth: 6 },
      { title: 'user', align: 'right', minWidth: 6 },
      { title: 'sys', align: 'right', minWidth: 6 },
      { title: 'maxrss', align: 'right', minWidth: 6 },
    ];
  }

  async write(views: readonly JobView[]): Promise<void> {
    if (views.length === 0) return;
    const rows = views.map((view) => row(view, this.#paint, this.#withMoves));
    const lines: string[] = [];
    if (this.#widths === undefined) {
      this.#widths = columnWidths(this.#columns, rows);
      lines.push(renderHead(this.#columns, this.#widths, this.#paint));
    }
    for (const cells of rows) lines.push(renderRow(this.#columns, this.#widths, cells));
    await write(this.#io.stdout, `${lines.join('\n')}\n`);
  }
}

function row(view: JobView, paint: Paint, withMoves: boolean): string[] {
  return [
    view.id,
    paintState(paint, view.state),
    exitText(view),
    view.node ?? '',
    ...(withMoves ? [view.migrations === 0 ? '' : String(view.migrations)] : []),
    view.attempt === 0 ? '' : String(view.attempt),
    seconds(view.real),
    seconds(view.user),
    seconds(view.sys),
    view.maxRss === null ? '' : formatBytes(view.maxRss),
  ];
}

/** The exit code, else how it ended where the state does not say it already. */
function exitText(view: JobView): string {
  if (view.exitCode !== null) return String(view.exitCode);
  if (view.signal !== null) return view.signal;
  return view.outcome === null || view.outcome === view.state ? '' : view.outcome;
}
