import { batchNumber } from '@omx/core';

import { commandText, type SortName } from './columns.ts';
import type { TopRow } from './row.ts';

/** Rows that all words of a filter are found in (`node=NAME` and `state=NAME` are about those alone), in order. */
export function arrange(rows: readonly TopRow[], filter: string, sort: SortName, reverse: boolean): TopRow[] {
  const words = filter
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  const sign = reverse ? -1 : 1;
  return rows
    .filter((row) => words.every((word) => passes(row, word)))
    .sort((a, b) => sign * compare[sort](a, b) || byId(a, b));
}

function passes(row: TopRow, word: string): boolean {
  const [, name, value = ''] = /^(node|state)=(.*)$/.exec(word) ?? [];
  if (name === 'node') return (row.node ?? '').toLowerCase() === value;
  if (name === 'state') return row.state === value;
  return `${row.id} ${row.node ?? ''} ${row.state} ${commandText(row)}`.toLowerCase().includes(word);
}

/** What is large comes first where sizes are compared, as one looks for it. */
const compare: Readonly<Record<SortName, (a: TopRow, b: TopRow) => number>> = {
  id: byId,
  node: (a, b) => byText(a.node ?? '\uffff', b.node ?? '\uffff'),
  state: (a, b) => byText(a.state, b.state),
  cpu: (a, b) => (b.cpu ?? -1) - (a.cpu ?? -1),
  rss: (a, b) => (b.rss ?? -1) - (a.rss ?? -1),
  time: (a, b) => (b.seconds ?? -1) - (a.seconds ?? -1),
  migr: (a, b) => b.migrations - a.migrations,
  command: (a, b) => byText(a.command, b.command),
};

function byId(a: TopRow, b: TopRow): number {
  return batchNumber(a.batch) - batchNumber(b.batch) || a.snapshot.ordinal - b.snapshot.ordinal;
}

function byText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
