import { type SortName, sortNames } from './columns.ts';

export interface TopState {
  readonly sort: SortName;
  readonly reverse: boolean;
  readonly filter: string;
  /** Show jobs that wait, too. */
  readonly waiting: boolean;
  /** The job the cursor is on, and its row, for when it has gone. */
  readonly selected: string | undefined;
  readonly cursor: number;
  /** The first row seen. */
  readonly first: number;
  readonly mode: Mode;
  /** What came of the last thing that was done. */
  readonly message: string;
}

export type Mode =
  | { readonly name: 'table' }
  | { readonly name: 'filter'; readonly before: string }
  | { readonly name: 'cancel'; readonly id: string }
  | { readonly name: 'help' }
  | { readonly name: 'tail'; readonly id: string };

export const table: Mode = { name: 'table' };

export const initialTop: TopState = {
  sort: 'cpu',
  reverse: false,
  filter: '',
  waiting: false,
  selected: undefined,
  cursor: 0,
  first: 0,
  mode: table,
  message: '',
};

/** What the view is to do besides changing its state. */
export type Wish =
  | { readonly do: 'cancel' | 'hold' | 'tail'; readonly id: string }
  | { readonly do: 'read' }
  | { readonly do: 'quit' };

/** What a key needs to know of the picture. */
export interface Seen {
  /** Ids of the rows, all of them in order, and the nodes of their jobs. */
  readonly rows: readonly { readonly id: string; readonly node: string | null }[];
  /** How many are seen at a time. */
  readonly page: number;
}

interface Step {
  readonly state: TopState;
  readonly wish?: Wish;
}

/** What a key does. `tail` mode takes its keys itself. */
export function topKey(state: TopState, key: string, seen: Seen): Step {
  switch (state.mode.name) {
    case 'filter':
      return { state: filterKey(state, state.mode.before, key) };
    case 'cancel':
      return cancelKey(state, state.mode.id, key);
    case 'help':
      return { state: { ...state, mode: table } };
    case 'tail':
      return { state };
    case 'table':
      return tableKey({ ...state, message: '' }, key, seen);
  }
}

function filterKey(state: TopState, before: string, key: string): TopState {
  if (key === 'return') return { ...state, mode: table };
  if (key === 'escape') return { ...state, mode: table, filter: before };
  if (key === 'backspace') return { ...state, filter: state.filter.replace(/.$/su, '') };
  if (key === 'ctrl+u') return { ...state, filter: '' };
  return /^.$/su.test(key) ? { ...state, filter: state.filter + key } : state;
}

function cancelKey(state: TopState, id: string, key: string): Step {
  if (key !== 'y' && key !== 'Y') return { state: { ...state, mode: table, message: 'not cancelled' } };
  return { state: { ...state, mode: table, message: `cancelling ${id}` }, wish: { do: 'cancel', id } };
}

function tableKey(state: TopState, key: string, seen: Seen): Step {
  if (key === 'q' || key === 'Q') return { state, wish: { do: 'quit' } };
  const change = changes[key];
  if (change !== undefined) return { state: { ...state, ...change(state) } };
  if (key === 'w') return { state: { ...state, waiting: !state.waiting }, wish: { do: 'read' } };
  const move = moves[key];
  if (move !== undefined) return { state: moved(state, move, seen) };
  const row = seen.rows[cursorOf(state, seen.rows)];
  if (row === undefined) return { state };
  if (key === 'n') {
    const only = row.node === null ? '' : `node=${row.node}`;
    return { state: { ...state, filter: state.filter === only ? '' : only, selected: row.id } };
  }
  if (key === 'c') return { state: { ...state, selected: row.id, mode: { name: 'cancel', id: row.id } } };
  if (key === 'h') return { state: { ...state, selected: row.id }, wish: { do: 'hold', id: row.id } };
  if (key === 't' || key === 'return')
    return {
      state: { ...state, selected: row.id, mode: { name: 'tail', id: row.id } },
      wish: { do: 'tail', id: row.id },
    };
  return { state };
}

const changes: Readonly<Record<string, (state: TopState) => Partial<TopState>>> = {
  P: () => ({ sort: 'cpu', reverse: false }),
  M: () => ({ sort: 'rss', reverse: false }),
  T: () => ({ sort: 'time', reverse: false }),
  N: () => ({ sort: 'id', reverse: false }),
  '<': (state) => ({ sort: neighbour(state.sort, -1) }),
  '>': (state) => ({ sort: neighbour(state.sort, 1) }),
  R: ({ reverse }) => ({ reverse: !reverse }),
  '/': ({ filter }) => ({ mode: { name: 'filter', before: filter } }),
  escape: () => ({ filter: '' }),
  '?': () => ({ mode: { name: 'help' } }),
};

const moves: Readonly<Record<string, (row: number, seen: Seen) => number>> = {
  up: (row) => row - 1,
  k: (row) => row - 1,
  down: (row) => row + 1,
  j: (row) => row + 1,
  pageup: (row, { page }) => row - page,
  pagedown: (row, { page }) => row + page,
  home: () => 0,
  g: () => 0,
  end: (_row, { rows }) => rows.length,
  G: (_row, { rows }) => rows.length,
};

function moved(state: TopState, move: (row: number, seen: Seen) => number, seen: Seen): TopState {
  const cursor = clamp(move(cursorOf(state, seen.rows), seen), seen.rows.length);
  return { ...state, cursor, selected: seen.rows[cursor]?.id };
}

/** The row of the selected job; once that has gone, the row where it was. Nothing selected is the first row. */
export function cursorOf(state: TopState, rows: readonly { readonly id: string }[]): number {
  const at = state.selected === undefined ? 0 : rows.findIndex(({ id }) => id === state.selected);
  return at === -1 ? clamp(state.cursor, rows.length) : at;
}

/** The first row to show, so that the cursor is seen and the page does not move without need. */
export function firstRow(state: TopState, cursor: number, count: number, page: number): number {
  const first = Math.min(state.first, Math.max(0, count - page));
  if (cursor < first) return cursor;
  return cursor >= first + page ? cursor - page + 1 : first;
}

function clamp(row: number, count: number): number {
  return Math.max(0, Math.min(count - 1, row));
}

function neighbour(sort: SortName, step: number): SortName {
  return sortNames[(sortNames.indexOf(sort) + step + sortNames.length) % sortNames.length] ?? sort;
}
