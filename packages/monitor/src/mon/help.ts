import { line, type Line, type Size } from '../terminal/line.ts';

const text = [
  'Each bar is a node.',
  '',
  'l  load per CPU: what wants to run there; 1.00 is work for every CPU',
  'L  the same on a log scale',
  's  speed of one CPU, as omx measured it',
  'm  memory: used, and above it what is free',
  'u  how much of its CPUs is in use',
  '',
  't  a line with the total of all nodes',
  'd  show nodes that are down, or not',
  'w  names in full    v  written downwards    V  downwards, bars without gaps',
  'a  the widest of these in which all nodes are seen',
  'left, right, page up (p), page down (n), home, end    other nodes',
  'q  quit    Ctrl-L  draw again    Ctrl-Z  stop',
  '',
  'The light part of a load bar is work that is not omx’s.',
  'd draining   D drained   Q quarantined   X down',
  '',
  'any key goes back',
];

export function monHelp(size: Size): Line[] {
  return helpLines('omx mon', text, size);
}

/** A page of help; blank lines go first where rows are few. */
export function helpLines(title: string, page: readonly string[], size: Size): Line[] {
  const full = page.length + 1 <= size.rows ? page : page.filter((row) => row !== '');
  return [line(title, 'strong'), ...full.map((row) => line(row))].slice(0, Math.max(1, size.rows));
}
