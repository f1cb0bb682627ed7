import type { NodeInfo } from '@omx/core';

import { lineText } from '../terminal/line.ts';
import type { Glyphs } from '../terminal/terminal.ts';
import { monLines } from './lines.ts';
import { initialMon } from './state.ts';

const rows = 22;
const slotAtMost = 18;
const marginAtMost = 20;

/** The picture once, as text, with every node however many there are. */
export function monText(nodes: readonly NodeInfo[], columns: number, glyphs: Glyphs): string {
  const width = Math.max(columns, marginAtMost + nodes.length * slotAtMost);
  const state = { ...initialMon, dead: true, total: true };
  const lines = monLines({ state, nodes, trouble: undefined, glyphs }, { columns: width, rows });
  // The last line is about keys.
  return lines
    .map((pieces) => `${lineText(pieces).trimEnd()}\n`)
    .slice(0, -1)
    .join('');
}
