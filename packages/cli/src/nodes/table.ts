import { formatBytes, formatDuration, type NodeInfo } from '@omx/core';

import { type Paint, paintState } from '../render/paint.ts';
import { type Column, oneLine, renderTable } from '../render/table.ts';

interface Field extends Column {
  readonly cell: (node: NodeInfo, paint: Paint, now: number) => string;
  /** Shown only where a node has something to say in it, so that the usual table fits 80 columns. */
  readonly unusual?: (node: NodeInfo) => boolean;
}

const fields: readonly Field[] = [
  { title: 'name', cell: ({ name }) => name },
  { title: 'role', cell: ({ role }) => role, unusual: ({ role }) => role !== 'both' },
  { title: 'state', cell: ({ state }, paint) => paintState(paint, state) },
  { title: 'slots', align: 'right', cell: slotsText },
  { title: 'load', align: 'right', cell: ({ load }) => load.toFixed(2) },
  { title: 'external', align: 'right', cell: ({ externalLoad }) => externalLoad.toFixed(2) },
  { title: 'speed', align: 'right', cell: ({ speed }) => (speed > 0 ? speed.toPrecision(3) : '-') },
  { title: 'memory free', align: 'right', cell: memoryText },
  { title: 'launchers', cell: launchersText },
  { title: 'labels', cell: labelsText, unusual: ({ labels }) => Object.keys(labels).length > 0 },
  { title: 'seen', align: 'right', cell: ({ lastSeen }, _paint, now) => formatDuration(Math.max(0, now - lastSeen)) },
  { title: 'reason', cell: ({ reason }) => oneLine(reason), unusual: ({ reason }) => reason !== '' },
];

/** Nodes as people look at them. @param now by the queue's clock, milliseconds since the epoch */
export function nodeTable(nodes: readonly NodeInfo[], now: number, paint: Paint): string[] {
  const shown = fields.filter(({ unusual }) => unusual === undefined || nodes.some(unusual));
  const rows = nodes.map((node) => shown.map(({ cell }) => cell(node, paint, now) || '-'));
  return renderTable(shown, rows, paint);
}

/** Running of those offered; in brackets how many there are when nobody else keeps the machine busy. */
function slotsText({ running, slots, maxSlots }: NodeInfo): string {
  return `${running}/${slots}${maxSlots > slots ? `(${maxSlots})` : ''}`;
}

function memoryText({ memFree, memTotal }: NodeInfo): string {
  return `${formatBytes(memFree)}/${formatBytes(memTotal)}`;
}

/** What is still being tried out has a question mark. */
function launchersText({ launchers, trying = [] }: NodeInfo): string {
  return [...launchers, ...trying.map((name) => `${name}?`)].join(',');
}

function labelsText({ labels }: NodeInfo): string {
  return oneLine(
    Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(','),
  );
}
