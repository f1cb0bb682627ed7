import { setTimeout as delay } from 'node:timers/promises';

import type { NodeInfo } from '@omx/core';

import type { Session } from '../session.ts';

/** A worker that is asked something says at once how it is then; otherwise it does so every two seconds. */
const lookMs = 200;

/** The named nodes as they are; one that is no longer known is left out. */
export async function readNodes(session: Session, names: readonly string[]): Promise<NodeInfo[]> {
  const known = new Map((await session.nodes.list()).map((node) => [node.name, node]));
  return names.flatMap((name) => known.get(name) ?? []);
}

/**
 * Looks at nodes until they are as wanted.
 * @returns them as last seen, and whether they are as wanted: not so when the time is over or the signal came
 */
export async function lookUntil(
  session: Session,
  names: readonly string[],
  done: (nodes: readonly NodeInfo[]) => boolean,
  options: {
    readonly withinMs: number;
    readonly signal?: AbortSignal;
    /** Called with what is seen at each look that is not the last. */
    readonly seen?: (nodes: readonly NodeInfo[]) => Promise<void>;
  },
): Promise<{ readonly nodes: readonly NodeInfo[]; readonly done: boolean }> {
  const deadline = performance.now() + options.withinMs;
  for (;;) {
    const nodes = await readNodes(session, names);
    if (done(nodes)) return { nodes, done: true };
    if (options.signal?.aborted === true || performance.now() > deadline) return { nodes, done: false };
    await options.seen?.(nodes);
    await delay(lookMs, undefined, options.signal === undefined ? {} : { signal: options.signal }).catch(() => {});
  }
}
