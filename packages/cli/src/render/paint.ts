import { styleText } from 'node:util';

import { type Io, wantsColour } from '../io.ts';

type Style = Parameters<typeof styleText>[0];

/** Colours a text, or leaves it alone where colours are not wanted. */
export type Paint = (style: Style, text: string) => string;

export const plainPaint: Paint = (_style, text) => text;

const colours: Paint = (style, text) => (text === '' ? '' : styleText(style, text, { validateStream: false }));

/** For what goes to stdout. */
export function painter(io: Io): Paint {
  return wantsColour(io) ? colours : plainPaint;
}

/** For what goes to stderr, where progress is. */
export function stderrPainter(io: Io): Paint {
  return wantsColour({ ...io, stdout: io.stderr }) ? colours : plainPaint;
}

/** One colour for a state wherever it is shown: of a job, a batch or a node. */
export function paintState(paint: Paint, state: string): string {
  const style = stateStyles[state];
  return style === undefined ? state : paint(style, state);
}

const stateStyles: Readonly<Record<string, Style>> = {
  held: 'yellow',
  running: 'cyan',
  paused: 'yellow',
  frozen: 'blue',
  succeeded: 'green',
  failed: 'red',
  cancelled: 'magenta',
  lost: 'red',
  up: 'green',
  draining: 'yellow',
  drained: 'yellow',
  down: 'red',
};
