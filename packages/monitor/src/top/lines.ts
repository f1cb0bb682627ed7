import { apart, fit, line, type Line, type Piece, type Size } from '../terminal/line.ts';
import { helpLines } from '../mon/help.ts';
import { headText, jobText, tableFor } from './columns.ts';
import { topHelp } from './help.ts';
import type { TopRow, TopSnapshot } from './row.ts';
import { cursorOf, firstRow, type TopState } from './state.ts';

export interface TopPicture {
  readonly state: TopState;
  /** Undefined until it has been read. */
  readonly snapshot: TopSnapshot | undefined;
  /** The rows of the snapshot that pass the filter, in order. */
  readonly rows: readonly TopRow[];
  /** What is wrong with the queue. */
  readonly trouble: string | undefined;
}

const hint = 'q quit  ? help  c cancel  h hold  t tail  / filter  n node  w waiting  P M T N sort';

/** Rows of the table that a screen has room for. */
export function pageRows({ rows }: Size): number {
  return Math.max(1, rows - (rows >= 8 ? 4 : 2));
}

/** The whole screen of the table of `omx top`. */
export function topLines({ state, snapshot, rows, trouble }: TopPicture, size: Size): Line[] {
  if (state.mode.name === 'help') return helpLines('omx top', topHelp, size);
  const page = pageRows(size);
  const cursor = cursorOf(state, rows);
  const first = firstRow(state, cursor, rows.length, page);
  const seen = rows.slice(first, first + page);
  const table = tableFor(seen, size.columns);
  const head = line(fit(headText(table, state.sort, state.reverse), size.columns), 'marked');
  const body = seen.map((row, at) => rowLine(jobText(table, row), row, first + at === cursor, size.columns));
  const title = trouble === undefined ? titleLine(snapshot, size.columns) : line(trouble, 'bad');
  if (size.rows < 8) {
    const prompt = promptLine(state, rows);
    return [prompt ?? title, head, ...body].slice(0, size.rows);
  }
  const note =
    state.message === '' ? rangeLine(state, snapshot, rows.length, first, seen.length) : line(state.message, 'strong');
  const empty = Array.from({ length: page - body.length }, (): Line => []);
  return [title, note, head, ...body, ...empty, promptLine(state, rows) ?? line(hint)];
}

function rowLine(text: string, row: TopRow, selected: boolean, columns: number): Line {
  if (selected) return line(fit(text, columns), 'marked');
  const pieces: Piece[] = [{ text, style: row.state === 'running' ? 'plain' : 'external' }];
  return pieces;
}

function titleLine(snapshot: TopSnapshot | undefined, columns: number): Line {
  if (snapshot === undefined) return line('omx top', 'strong');
  const { running, queued, held, batches } = snapshot.counts;
  const parts = [`${group(running)} running`, `${group(queued)} queued`, ...(held > 0 ? [`${group(held)} held`] : [])];
  const silent = snapshot.silent.length === 0 ? '' : `no answer from ${snapshot.silent.join(', ')}`;
  const left = line(`${parts.join(', ')} in ${batches} ${batches === 1 ? 'batch' : 'batches'}`, 'strong');
  return apart(left, line(silent, 'warning'), columns);
}

/** Which rows are seen, and what is not shown at all. */
function rangeLine(
  { filter, waiting }: TopState,
  snapshot: TopSnapshot | undefined,
  count: number,
  first: number,
  seen: number,
): Line {
  if (snapshot === undefined) return line('reading the jobs');
  const { counts } = snapshot;
  const shown = snapshot.running.length + (waiting ? snapshot.waiting.length : 0);
  const more = counts.queued + counts.held - (waiting ? snapshot.waiting.length : 0);
  const parts = [
    ...(count === 0 ? [filter === '' ? 'nothing runs' : 'nothing passes the filter'] : []),
    ...(count > seen ? [`rows ${first + 1}-${first + seen} of ${group(count)}`] : []),
    ...(filter === '' ? [] : [`filter: ${filter} (${group(count)} of ${group(shown)}, Esc ends it)`]),
    ...(more > 0 ? [`${group(more)} ${waiting ? 'more wait' : 'wait (w shows the first of them)'}`] : []),
  ];
  return line(parts.join(', '));
}

function promptLine({ mode, filter }: TopState, rows: readonly TopRow[]): Line | undefined {
  if (mode.name === 'filter') return line(`filter: ${filter}_`, 'strong');
  if (mode.name !== 'cancel') return undefined;
  const command = rows.find(({ id }) => id === mode.id)?.command;
  return line(`cancel ${mode.id}? y yes, any other key no${command === undefined ? '' : `: ${command}`}`, 'warning');
}

/** `1,234,567`, whatever the locale. */
function group(count: number): string {
  return String(count).replaceAll(/\B(?=(\d{3})+$)/g, ',');
}
