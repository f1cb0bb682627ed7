import type { NodeInfo } from '@omx/core';

import { Poller } from '../poller.ts';
import type { Line, Size } from '../terminal/line.ts';
import { type Ending, LiveScreen } from '../terminal/live-screen.ts';
import { sizeOf, type Terminal } from '../terminal/terminal.ts';
import { layOut } from './layout.ts';
import { monLines } from './lines.ts';
import { measures } from './measure.ts';
import { initialMon, monKey } from './state.ts';

/** `omx mon` on a terminal, until it is left. */
export async function runMon(terminal: Terminal, read: () => Promise<NodeInfo[]>): Promise<Ending> {
  let state = initialMon;
  const poller = new Poller(read, { news: () => screen.redraw(), fault: (error) => screen.fail(error) });
  const screen = new LiveScreen(terminal, {
    lines: (size: Size): Line[] =>
      monLines({ state, nodes: poller.newest, trouble: poller.trouble, glyphs: terminal.glyphs }, size),
    key: (key) => {
      const layout = layOut(state, poller.newest ?? [], measures[state.measure], sizeOf(terminal));
      const next = monKey(state, key, { count: layout.nodes.length, capacity: layout.capacity });
      state = next ?? state;
      return next === undefined;
    },
  });
  try {
    poller.poll();
    return await screen.run();
  } finally {
    poller.stop();
  }
}
