import { formatBytes, formatDuration, type NodeInfo } from '@omx/core';

import { type Io, say, write, writeJson } from '../io.ts';
import { type Paint, painter, paintState } from '../render/paint.ts';
import { type Column, oneLine, renderTable } from '../render/table.ts';
import { isoTime } from '../render/times.ts';
import { withSession } from '../session.ts';

interface NodesOptions {
  readonly redis?: string;
  readonly json?: boolean;
}

/** `omx nodes`: the machines with a worker, as they last described themselves. */
export async function nodes(io: Io, options: NodesOptions): Promise<number> {
  return withSession(io, options, async (session) => {
    const known = await session.nodes.list();
    if (options.json === true) {
      for (const node of known) await writeJson(io, nodeJson(node));
    } else if (known.length === 0)
      say(io, 'no node has joined yet: omx up starts a worker here, omx worker is one in the foreground');
    else {
      const paint = painter(io);
      await write(
        io.stdout,
        `${renderTable(
          columns,
          known.map((node) => row(node, Date.now(), paint)),
          paint,
        ).join('\n')}\n`,
      );
    }
    return 0;
  });
}

function nodeJson(node: NodeInfo): Record<string, unknown> {
  const {
    name,
    role,
    state,
    slots,
    running,
    load,
    externalLoad,
    cpus,
    memTotal,
    memFree,
    launchers,
    labels,
    lastSeen,
  } = node;
  return {
    name,
    role,
    state,
    slots,
    running,
    load,
    externalLoad,
    cpus,
    memTotal,
    memFree,
    launchers,
    labels,
    lastSeen: isoTime(lastSeen),
  };
}

const columns: readonly Column[] = [
  { title: 'name' },
  { title: 'role' },
  { title: 'state' },
  { title: 'slots', align: 'right' },
  { title: 'load', align: 'right' },
  { title: 'external', align: 'right' },
  { title: 'cpus', align: 'right' },
  { title: 'memory free', align: 'right' },
  { title: 'launchers' },
  { title: 'labels' },
  { title: 'last seen' },
];

function row(node: NodeInfo, now: number, paint: Paint): string[] {
  return [
    node.name,
    node.role,
    paintState(paint, node.state),
    `${node.running}/${node.slots}`,
    node.load.toFixed(2),
    node.externalLoad.toFixed(2),
    String(node.cpus),
    `${formatBytes(node.memFree)}/${formatBytes(node.memTotal)}`,
    node.launchers.join(','),
    oneLine(
      Object.entries(node.labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(','),
    ) || '-',
    `${formatDuration(now - node.lastSeen)} ago`,
  ];
}
