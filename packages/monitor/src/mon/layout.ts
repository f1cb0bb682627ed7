import { cut, displayWidth, type Size } from '../terminal/line.ts';
import { type Measure, number } from './measure.ts';
import { commonBeginning } from './names.ts';
import { type MonState, shownNodes } from './state.ts';
import type { NodeInfo } from '@omx/core';

/** Where everything of the picture goes. */
export interface Layout {
  readonly nodes: readonly NodeInfo[];
  readonly names: 'wide' | 'vertical' | 'tight';
  /** Columns of one bar, and of the bar with the gap after it. */
  readonly bar: number;
  readonly slot: number;
  /** How many bars fit. */
  readonly capacity: number;
  readonly first: number;
  /** Left out of the names, as all have it. */
  readonly beginning: string;
  readonly ceiling: number;
  /** Columns of the labels of the axis; 0 where there is no room for them. */
  readonly labels: number;
  /** Whether the view's name stands beside the axis. */
  readonly word: boolean;
  readonly rows: {
    readonly title: boolean;
    readonly bars: number;
    /** States of the nodes, where one is not up. */
    readonly states: boolean;
    readonly names: number;
    readonly values: boolean;
    readonly total: boolean;
    readonly hint: boolean;
  };
}

const gap = 2;
const widestName = 16;
const narrowestWide = 6;

export function layOut(state: MonState, all: readonly NodeInfo[], measure: Measure, size: Size): Layout {
  const nodes = shownNodes(state, all);
  const bars = nodes.filter((node) => node.state !== 'down').map((node) => measure.bar(node));
  const ceiling = measure.ceiling(Math.max(0, ...bars.map(({ solid, light }) => number(solid + light))));
  const widest = Math.max(...axisShares.map((share) => measure.label(measure.value(share, ceiling)).length));
  const labels = size.columns >= widest + 8 ? widest : 0;
  const word = size.columns >= 40;
  const room = Math.max(1, size.columns - (word ? 2 : 0) - labels - 1);
  const longest = Math.max(narrowestWide, ...nodes.map(({ name }) => Math.min(widestName, displayWidth(name))));
  const wideSlot = Math.min(room, longest + gap);
  const names = state.names === 'auto' ? roomiest(nodes.length, room, wideSlot) : state.names;
  const slot = { wide: wideSlot, vertical: Math.min(room, 3), tight: 1 }[names];
  const capacity = Math.max(1, Math.floor((room + { wide: gap, vertical: 1, tight: 0 }[names]) / slot));
  const first = Math.max(0, Math.min(state.first, nodes.length - capacity));
  const seen = nodes.slice(first, first + capacity);
  const beginning = names === 'wide' ? '' : commonBeginning(nodes.map(({ name }) => name));
  return {
    nodes,
    names,
    bar: { wide: Math.max(1, Math.min(wideSlot - gap, 8)), vertical: Math.min(room, 2), tight: 1 }[names],
    slot,
    capacity,
    first,
    beginning,
    ceiling,
    labels,
    word,
    rows: rowsOf(state, seen, names, beginning, size.rows),
  };
}

/** Labels of the axis, from its top down. */
export const axisShares = [1, 0.75, 0.5, 0.25, 0] as const;

function roomiest(count: number, room: number, wideSlot: number): Layout['names'] {
  if (count * wideSlot - gap <= room) return 'wide';
  return count * 3 - 1 <= room ? 'vertical' : 'tight';
}

/** What there is no room for is left out, the least needed first; the bars get the rest. */
function rowsOf(
  state: MonState,
  seen: readonly NodeInfo[],
  names: Layout['names'],
  beginning: string,
  rows: number,
): Layout['rows'] {
  const longest = Math.max(1, ...seen.map(({ name }) => displayWidth(cut(name.slice(beginning.length), widestName))));
  const nameRows = names === 'wide' ? 1 : Math.min(longest, Math.max(1, Math.floor(rows / 4)));
  const wanted = {
    title: rows >= 6,
    states: seen.some((node) => node.state !== 'up') && rows >= 5,
    names: rows >= 4 ? nameRows : 0,
    values: names === 'wide' && rows >= 12,
    total: state.total && rows >= 7,
    hint: rows >= 9,
  };
  const { title, states, values, total, hint } = wanted;
  const others = [title, states, values, total, hint].filter(Boolean).length + wanted.names;
  // One more for the base line.
  return { ...wanted, bars: Math.max(1, rows - others - 1) };
}

/** What stands before the bars. */
export function margin({ word, labels }: Layout): string {
  return ' '.repeat((word ? 2 : 0) + labels + 1);
}
