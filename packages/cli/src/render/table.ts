import stringWidth from 'string-width';

import { type Paint, plainPaint } from './paint.ts';

export interface Column {
  readonly title: string;
  /** Numbers stand on the right. @defaultValue 'left' */
  readonly align?: 'left' | 'right';
  /** The column is at least so wide, for tables whose later rows are not known yet. */
  readonly minWidth?: number;
}

const gap = '  ';

/** A table without lines: titles, then rows, columns as wide as their widest cell. Cells may be coloured. */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  paint: Paint = plainPaint,
): string[] {
  const widths = columnWidths(columns, rows);
  return [renderHead(columns, widths, paint), ...rows.map((row) => renderRow(columns, widths, row))];
}

/** Widths that fit these rows; for a streamed table the first block decides and wider cells later push their row. */
export function columnWidths(columns: readonly Column[], rows: readonly (readonly string[])[]): number[] {
  const widths = columns.map((column) => Math.max(displayWidth(column.title), column.minWidth ?? 0));
  for (const row of rows) {
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, displayWidth(cell));
  }
  return widths;
}

export function renderHead(columns: readonly Column[], widths: readonly number[], paint: Paint): string {
  return paint(
    'bold',
    renderRow(
      columns,
      widths,
      columns.map((column) => column.title),
    ),
  );
}

export function renderRow(columns: readonly Column[], widths: readonly number[], cells: readonly string[]): string {
  const last = columns.length - 1;
  const padded = columns.map((column, at) => {
    const cell = cells[at] ?? '';
    const fill = ' '.repeat(Math.max(0, (widths[at] ?? 0) - displayWidth(cell)));
    if (column.align === 'right') return fill + cell;
    return at === last ? cell : cell + fill;
  });
  return padded.join(gap).trimEnd();
}

/** Columns of a terminal the text takes; wide characters take two, colours none. */
export function displayWidth(text: string): number {
  return /^[\u0020-\u007e]*$/.test(text) ? text.length : stringWidth(text);
}

/** Text of users and programs on one line: control characters are shown, not obeyed. */
export function oneLine(text: string): string {
  return text.replaceAll(controls, (control) => escapes[control] ?? hexEscape(control));
}

// oxlint-disable-next-line no-control-regex
const controls = /[\u0000-\u001f\u007f-\u009f]/g;

function hexEscape(control: string): string {
  return `\\x${control.charCodeAt(0).toString(16).padStart(2, '0')}`;
}

const escapes: Readonly<Record<string, string>> = { '\n': '\\n', '\t': '\\t', '\r': '\\r', '\u001b': '\\e' };

/** Cut to a number of terminal columns, with an ellipsis where something is missing. */
export function cut(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let kept = '';
  let used = 0;
  for (const character of text) {
    used += displayWidth(character);
    if (used > width - 1) break;
    kept += character;
  }
  return `${kept}…`;
}
