import type { NodeInfo } from '@omx/core';
import { queueClock } from '@omx/queue';

import { type Io, say, write, writeJson } from '../io.ts';
import { forgetNode } from '../nodes/forget.ts';
import { nodeTable } from '../nodes/table.ts';
import { painter } from '../render/paint.ts';
import { isoTime, secondsOfMs } from '../render/times.ts';
import { withSession } from '../session.ts';

interface NodesOptions {
  readonly redis?: string;
  readonly json?: boolean;
  readonly forget?: string;
}

/** `omx nodes`: the machines with a worker, as they last described themselves. */
export async function nodes(io: Io, options: NodesOptions): Promise<number> {
  return withSession(io, options, async (session) => {
    if (options.forget !== undefined) return forgetNode(io, session, options.forget, options);
    const known = await session.nodes.list();
    if (options.json === true) {
      for (const node of known) await writeJson(io, nodeJson(node));
    } else if (known.length === 0)
      say(io, 'no node has joined yet: omx up starts a worker here, omx worker is one in the foreground');
    else {
      await queueClock.sync(session.redis);
      await write(io.stdout, `${nodeTable(known, queueClock.now(), painter(io)).join('\n')}\n`);
    }
    return 0;
  });
}

/** What the contract names comes first; the rest is for whoever looks after the nodes. */
export function nodeJson(node: NodeInfo): Record<string, unknown> {
  const {
    lastSeen,
    leaseMs,
    clockOffsetMs,
    identity: _identity,
    place: _place,
    shepherdPid: _shepherd,
    ...facts
  } = node;
  const { name, role, state, slots, running, load, externalLoad, cpus, memTotal, memFree, launchers, labels, ...more } =
    facts;
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
    ...more,
    lease: secondsOfMs(leaseMs),
    clockOffset: secondsOfMs(clockOffsetMs),
  };
}
