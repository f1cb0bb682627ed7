import { expect, test } from 'vitest';

import { cursorOf, firstRow, initialTop, topKey, type TopState, type Wish } from '../../src/top/state.ts';

const rows = Array.from({ length: 30 }, (_, at) => ({ id: `b1.${at + 1}`, node: at < 10 ? 'vega' : null }));
const seen = { rows, page: 10 };

function type(keys: readonly string[], from: TopState = initialTop): { state: TopState; wish: Wish | undefined } {
  let state = from;
  let wish: Wish | undefined;
  for (const key of keys) ({ state, wish } = { wish: undefined, ...topKey(state, key, seen) });
  return { state, wish };
}

test('the cursor moves and stays inside', () => {
  expect(type(['down', 'j']).state.selected).toBe('b1.3');
  expect(type(['up']).state.selected).toBe('b1.1');
  expect(type(['pagedown', 'pagedown', 'pageup']).state.selected).toBe('b1.11');
  expect(type(['end']).state.selected).toBe('b1.30');
  expect(type(['G', 'g']).state.selected).toBe('b1.1');
});

test('the cursor follows its job, and keeps its row when the job has gone', () => {
  const { state } = type(['down', 'down']);
  expect(cursorOf(state, rows.toReversed())).toBe(27);
  expect(
    cursorOf(
      state,
      rows.filter(({ id }) => id !== 'b1.3'),
    ),
  ).toBe(2);
  expect(cursorOf({ ...state, cursor: 29 }, [{ id: 'b9.1' }])).toBe(0);
  expect(cursorOf(state, [])).toBe(0);
});

test('the page moves no further than it must', () => {
  expect(firstRow(initialTop, 9, 30, 10)).toBe(0);
  expect(firstRow(initialTop, 10, 30, 10)).toBe(1);
  expect(firstRow({ ...initialTop, first: 15 }, 14, 30, 10)).toBe(14);
  expect(firstRow({ ...initialTop, first: 25 }, 4, 5, 10)).toBe(0);
});

test('cancel asks first', () => {
  expect(type(['down', 'c']).state.mode).toEqual({ name: 'cancel', id: 'b1.2' });
  expect(type(['down', 'c']).wish).toBeUndefined();
  expect(type(['down', 'c', 'y']).wish).toEqual({ do: 'cancel', id: 'b1.2' });
  for (const key of ['n', 'escape', 'return', 'q']) {
    const { state, wish } = type(['c', key]);
    expect({ mode: state.mode.name, wish }).toEqual({ mode: 'table', wish: undefined });
  }
});

test('hold and tail are about the job under the cursor', () => {
  expect(type(['h']).wish).toEqual({ do: 'hold', id: 'b1.1' });
  expect(type(['down', 't']).wish).toEqual({ do: 'tail', id: 'b1.2' });
  expect(topKey(initialTop, 'c', { rows: [], page: 10 })).toEqual({ state: initialTop });
});

test('sorting by letter, by neighbour, the other way round', () => {
  expect(type(['M']).state.sort).toBe('rss');
  expect(type(['N', '<']).state.sort).toBe('command');
  expect(type(['P', '>']).state.sort).toBe('rss');
  expect(type(['R']).state.reverse).toBe(true);
  expect(type(['R', 'T']).state).toMatchObject({ sort: 'time', reverse: false });
});

test('a filter is typed, kept or given up', () => {
  expect(type(['/', 'f', 'q', 'backspace', 'i', 'return']).state).toMatchObject({
    filter: 'fi',
    mode: { name: 'table' },
  });
  expect(type(['/', 'x', 'escape'], { ...initialTop, filter: 'old' }).state.filter).toBe('old');
  expect(type(['/', 'up', 'ctrl+u', 'é']).state.filter).toBe('é');
  expect(type(['escape'], { ...initialTop, filter: 'old' }).state.filter).toBe('');
});

test('the jobs of one node, and of all again', () => {
  const one = type(['n']).state;
  expect(one.filter).toBe('node=vega');
  expect(type(['n'], one).state.filter).toBe('');
});

test('q leaves, but not while something else has the keys', () => {
  expect(type(['q']).wish).toEqual({ do: 'quit' });
  expect(type(['?', 'q'])).toMatchObject({ state: { mode: { name: 'table' } }, wish: undefined });
  expect(type(['w'])).toMatchObject({ state: { waiting: true }, wish: { do: 'read' } });
});
