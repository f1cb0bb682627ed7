import { formatBytes, type NodeInfo } from '@omx/core';

import { apart, fit, line, lineWidth, type Line, type Piece, type Size } from '../terminal/line.ts';
import type { Glyphs } from '../terminal/terminal.ts';
import { chart } from './chart.ts';
import { type Layout, layOut, margin } from './layout.ts';
import { monHelp } from './help.ts';
import { type Measure, measures, number } from './measure.ts';
import { downwards } from './names.ts';
import { type MonState, stateLetters } from './state.ts';

export interface MonPicture {
  readonly state: MonState;
  /** Undefined until they have been read. */
  readonly nodes: readonly NodeInfo[] | undefined;
  /** What is wrong with the queue. */
  readonly trouble: string | undefined;
  readonly glyphs: Glyphs;
}

/** The whole screen of `omx mon`, exactly as many lines as it has rows. */
export function monLines({ state, nodes: all, trouble, glyphs }: MonPicture, size: Size): Line[] {
  if (state.help) return monHelp(size);
  if (all === undefined || all.length === 0) return notice(all, trouble, size);
  const measure = measures[state.measure];
  const layout = layOut(state, all, measure, size);
  const { rows } = layout;
  const seen = layout.nodes.slice(layout.first, layout.first + layout.capacity);
  const states = rows.states ? [statesLine(layout, seen)] : [];
  const values = rows.values
    ? [line(margin(layout) + seen.map((node) => valueOf(node, measure, layout)).join(''))]
    : [];
  const lines = [
    ...(rows.title ? [titleLine(layout, measure, all, trouble, glyphs, size.columns)] : []),
    ...chart(layout, measure, seen, glyphs, size.columns),
    ...states,
    ...nameLines(layout, seen),
    ...values,
    ...(rows.total ? [line(totalText(all), 'strong')] : []),
    ...(rows.hint ? [hintLine(seen)] : []),
  ];
  return lines.slice(0, size.rows);
}

export const noNodes = 'no node has joined yet: omx up starts a worker here, omx worker is one in the foreground';

function notice(all: readonly NodeInfo[] | undefined, trouble: string | undefined, size: Size): Line[] {
  const text = all === undefined ? 'reading the nodes' : noNodes;
  return [trouble === undefined ? line('omx mon', 'strong') : line(trouble, 'bad'), line(text), line('q quit')].slice(
    0,
    size.rows,
  );
}

function titleLine(
  layout: Layout,
  measure: Measure,
  known: readonly NodeInfo[],
  trouble: string | undefined,
  glyphs: Glyphs,
  columns: number,
): Line {
  if (trouble !== undefined) return line(trouble, 'bad');
  const [solid, light] = measure.parts;
  const left: Piece[] = [{ text: measure.title, style: 'strong' }];
  if (light !== undefined)
    left.push(
      { text: `  ${glyphs.eighths.at(-1) ?? ''}`, style: 'own' },
      { text: ` ${solid}  `, style: 'plain' },
      { text: glyphs.light, style: 'external' },
      { text: ` ${light}`, style: 'plain' },
    );
  const count = layout.nodes.length;
  const last = Math.min(count, layout.first + layout.capacity);
  const down = known.filter((node) => node.state === 'down').length;
  const partly = last - layout.first < count;
  const nodes = `${count} ${count === 1 ? 'node' : 'nodes'}`;
  const range = partly ? `${layout.first + 1}-${last} of ${nodes}` : nodes;
  const all = [
    range,
    ...(down > 0 ? [`${down} down${layout.nodes.some((node) => node.state === 'down') ? '' : ' (d)'}`] : []),
    ...(layout.beginning === '' ? [] : [`${layout.beginning}…`]),
  ].join(', ');
  const word = line(measure.word, 'strong');
  // Which nodes are seen matters more than what the glyphs mean.
  const ways: [Line, string][] = [
    [left, all],
    [left.slice(0, 1), all],
    [left.slice(0, 1), range],
    [word, range],
    [word, partly ? `${layout.first + 1}-${last}/${count}` : nodes],
  ];
  const [beside, told] = ways.find(([one, text]) => lineWidth(one) + text.length + 2 <= columns) ?? [word, ''];
  return apart(beside, line(told), columns);
}

function nameLines(layout: Layout, seen: readonly NodeInfo[]): Line[] {
  const { names, slot, rows, beginning } = layout;
  if (rows.names === 0) return [];
  if (names === 'wide') {
    const cells = seen.map((node): Piece => {
      const name = fit(node.name, Math.max(1, slot - 2));
      return { text: fit(name, slot), style: node.state === 'up' ? 'strong' : 'warning' };
    });
    return [[{ text: margin(layout), style: 'plain' }, ...cells]];
  }
  const short = seen.map((node) => node.name.slice(beginning.length));
  return downwards(short, rows.names, slot).map((text) => line(margin(layout) + text));
}

function statesLine(layout: Layout, seen: readonly NodeInfo[]): Line {
  const { slot, names } = layout;
  const texts = seen.map(({ state }) => {
    if (state === 'up') return ' '.repeat(slot);
    const word = names === 'wide' && state.length < slot ? state : stateLetters[state];
    return fit(word, slot);
  });
  return [
    { text: margin(layout), style: 'plain' },
    { text: texts.join(''), style: 'warning' },
  ];
}

function valueOf(node: NodeInfo, measure: Measure, { slot }: Layout): string {
  return fit(node.state === 'down' ? '' : fit(measure.bar(node).text, slot - 1), slot);
}

/** What all nodes that are not down have and do together. */
export function totalText(all: readonly NodeInfo[]): string {
  const alive = all.filter((node) => node.state !== 'down');
  const sum = (of: (node: NodeInfo) => number): number => alive.reduce((total, node) => total + number(of(node)), 0);
  const memory = sum((node) => node.memTotal);
  const cpus = sum((node) => node.cpus);
  return [
    `total: ${alive.length} up`,
    `slots ${sum((node) => node.running)}/${sum((node) => node.slots)}`,
    `load ${sum((node) => node.load).toFixed(2)} of ${cpus} (others ${sum((node) => node.externalLoad).toFixed(2)})`,
    `use ${cpus === 0 ? 0 : Math.round((100 * sum((node) => node.busy)) / cpus)}%`,
    `memory ${formatBytes(memory - sum((node) => node.memFree))}/${formatBytes(memory)}`,
  ].join(', ');
}

const keysHint = 'q quit  h help  l load  s speed  m memory  u use  t total  d down  w v V a names';

/** The keys, or why a node that is seen gets no work. */
function hintLine(seen: readonly NodeInfo[]): Line {
  const node = seen.find(({ state, reason }) => state === 'quarantined' && reason !== '');
  return node === undefined ? line(keysHint) : line(`${node.name} is quarantined: ${node.reason}`, 'warning');
}
