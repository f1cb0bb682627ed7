import { formatBytes } from '@omx/core';

import { displayWidth, fit } from '../terminal/line.ts';
import type { TopRow } from './row.ts';

export const sortNames = ['id', 'node', 'state', 'cpu', 'rss', 'time', 'migr', 'command'] as const;
export type SortName = (typeof sortNames)[number];

interface Column {
  readonly name: SortName;
  readonly title: string;
  readonly align: 'left' | 'right';
  readonly text: (row: TopRow) => string;
  /** Its title, and the mark of the column it is sorted by, have room. */
  readonly narrowest: number;
  readonly widest: number;
  /** The lower, the sooner it is left out where the screen is narrow. */
  readonly weight: number;
}

const columns: readonly Column[] = [
  { name: 'id', title: 'job', align: 'left', text: ({ id }) => id, narrowest: 5, widest: 20, weight: 9 },
  { name: 'node', title: 'node', align: 'left', text: ({ node }) => node ?? '', narrowest: 5, widest: 16, weight: 6 },
  { name: 'state', title: 'state', align: 'left', text: ({ state }) => state, narrowest: 7, widest: 8, weight: 3 },
  { name: 'cpu', title: 'cpu%', align: 'right', text: ({ cpu }) => percent(cpu), narrowest: 5, widest: 6, weight: 8 },
  { name: 'rss', title: 'rss', align: 'right', text: ({ rss }) => bytes(rss), narrowest: 7, widest: 8, weight: 4 },
  {
    name: 'time',
    title: 'time',
    align: 'right',
    text: ({ seconds }) => clock(seconds),
    narrowest: 5,
    widest: 10,
    weight: 5,
  },
  {
    name: 'migr',
    title: 'migr',
    align: 'right',
    text: ({ migrations }) => String(migrations),
    narrowest: 5,
    widest: 6,
    weight: 2,
  },
];

const gap = 1;
const commandAtLeast = 8;

export interface Table {
  readonly columns: readonly { readonly column: Column; readonly width: number }[];
  /** Columns left for the command; 0 where there are too few. */
  readonly command: number;
}

/** Widths for what is seen, and which columns there is room for. */
export function tableFor(rows: readonly TopRow[], width: number): Table {
  const wanted = columns.map((column) => ({
    column,
    width: Math.min(
      column.widest,
      rows.reduce((most, row) => Math.max(most, displayWidth(column.text(row))), column.narrowest),
    ),
  }));
  const kept = new Set(wanted);
  const used = (): number => [...kept].reduce((sum, { width: one }) => sum + one + gap, 0);
  for (const one of [...wanted].sort((a, b) => a.column.weight - b.column.weight)) {
    if (used() + commandAtLeast <= width || kept.size === 1) break;
    kept.delete(one);
  }
  return { columns: wanted.filter((one) => kept.has(one)), command: Math.max(0, width - used()) };
}

/** Titles; the column it is sorted by, where that is to be seen, is marked. */
export function headText(table: Table, sort?: SortName, reverse = false): string {
  const mark = (name: SortName, title: string): string => (name === sort ? `${title}${reverse ? '<' : '>'}` : title);
  return rowText(table, ({ name, title }) => mark(name, title), mark('command', 'command'));
}

export function jobText(table: Table, row: TopRow): string {
  return rowText(table, (column) => column.text(row), commandText(row));
}

/** `[2 on vega, 1 on altair] ./multifibo 45`. */
export function commandText({ children, command }: TopRow): string {
  const away = Object.entries(children).map(([node, count]) => `${count} on ${node}`);
  return away.length === 0 ? command : `[${away.join(', ')}] ${command}`;
}

function rowText(table: Table, text: (column: Column) => string, command: string): string {
  const cells = table.columns.map(({ column, width }) => `${fit(text(column), width, column.align)} `);
  return cells.join('') + (table.command === 0 ? '' : command);
}

function percent(cpu: number | null): string {
  if (cpu === null) return '';
  return cpu < 999.95 ? cpu.toFixed(1) : cpu.toFixed(0);
}

function bytes(value: number | null): string {
  return value === null ? '' : formatBytes(value);
}

/** `0:07`, `12:34`, `3:05:09`, `4d02h`. */
export function clock(seconds: number | null): string {
  if (seconds === null) return '';
  const whole = Math.floor(seconds);
  const two = (value: number): string => String(value).padStart(2, '0');
  const [days, hours, minutes] = [
    Math.floor(whole / 86_400),
    Math.floor(whole / 3600) % 24,
    Math.floor(whole / 60) % 60,
  ];
  if (days > 0) return `${days}d${two(hours)}h`;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}
