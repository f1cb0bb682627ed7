import type { NodeInfo, NodeState } from '@omx/core';

import type { MeasureName } from './measure.ts';

/** How names stand under the bars; `auto` is the widest way in which all nodes are seen. */
export type Names = 'wide' | 'vertical' | 'tight' | 'auto';

export interface MonState {
  readonly measure: MeasureName;
  readonly names: Names;
  /** Show nodes that are down, too. */
  readonly dead: boolean;
  readonly total: boolean;
  /** The first bar shown, counted from 0. */
  readonly first: number;
  readonly help: boolean;
}

export const initialMon: MonState = {
  measure: 'load',
  names: 'auto',
  dead: false,
  total: false,
  first: 0,
  help: false,
};

/** What a key makes of the state; undefined to leave. The keys are mosmon's where mosmon has one for it. */
export function monKey(state: MonState, key: string, seen: { count: number; capacity: number }): MonState | undefined {
  if (state.help) return { ...state, help: false };
  if (key === 'q' || key === 'Q') return undefined;
  const change = changes[key];
  if (change !== undefined) return { ...state, ...change(state) };
  const move = moves[key];
  if (move === undefined) return state;
  const last = Math.max(0, seen.count - seen.capacity);
  const from = Math.min(state.first, last);
  return { ...state, first: Math.max(0, Math.min(last, move(from, seen))) };
}

const changes: Readonly<Record<string, (state: MonState) => Partial<MonState>>> = {
  l: () => ({ measure: 'load' }),
  L: () => ({ measure: 'log' }),
  s: () => ({ measure: 'speed' }),
  m: () => ({ measure: 'memory' }),
  u: () => ({ measure: 'use' }),
  w: () => ({ names: 'wide' }),
  v: () => ({ names: 'vertical' }),
  V: () => ({ names: 'tight' }),
  a: () => ({ names: 'auto' }),
  d: ({ dead }) => ({ dead: !dead }),
  t: ({ total }) => ({ total: !total }),
  h: () => ({ help: true }),
  '?': () => ({ help: true }),
};

const moves: Readonly<Record<string, (first: number, seen: { count: number; capacity: number }) => number>> = {
  left: (first) => first - 1,
  right: (first) => first + 1,
  p: (first, { capacity }) => first - capacity,
  n: (first, { capacity }) => first + capacity,
  pageup: (first, { capacity }) => first - capacity,
  pagedown: (first, { capacity }) => first + capacity,
  home: () => 0,
  end: (_first, { count }) => count,
};

/** One letter for a state that is not `up`, where there is no room for the word. */
export const stateLetters: Readonly<Record<NodeState, string>> = {
  up: '',
  draining: 'd',
  drained: 'D',
  quarantined: 'Q',
  down: 'X',
};

export function shownNodes(state: MonState, nodes: readonly NodeInfo[]): readonly NodeInfo[] {
  return state.dead ? nodes : nodes.filter((node) => node.state !== 'down');
}
