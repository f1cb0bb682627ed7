import { nodeLeaseMs, type NodeInfo } from '@omx/core';

import { type Check, fail, ok, warn } from './check.ts';

/** A beat is a few seconds old at most; what is left of the difference is the clock's. */
const oldestBeatMs = 5000;
const skewMs = 1000;

export interface NodesContext {
  readonly version: string;
  /** The server's time, milliseconds since the epoch. */
  readonly now: number;
  /** Commands start a worker by themselves where the queue is the embedded one. */
  readonly embedded: boolean;
}

/** The nodes of the queue, as they last described themselves. */
export function checkNodes(nodes: readonly NodeInfo[], context: NodesContext): Check[] {
  const up = nodes.filter(({ state }) => state !== 'down');
  const checks = nodes.map((node) => checkNode(node, context));
  if (up.length > 0) return checks;
  const none = 'no node is up, so jobs wait';
  return [
    ...checks,
    context.embedded
      ? warn('nodes', none, 'omx up starts a worker on this machine')
      : fail('nodes', none, 'omx worker makes a machine a node'),
  ];
}

export function checkNode(node: NodeInfo, { version, now }: NodesContext): Check {
  const name = `node ${node.name}`;
  const age = now - node.lastSeen;
  if (node.state === 'down') {
    const since = new Date(node.lastSeen).toISOString();
    return warn(
      name,
      `down; last seen ${since}`,
      `omx up, or omx worker --name ${node.name} on it, if it should be there`,
    );
  }
  if (node.version !== version)
    return warn(
      name,
      `its worker is version ${node.version}, this omx ${version}`,
      'start its worker again with the same version',
    );
  if (age < -skewMs)
    return warn(name, `its clock is ${(-age / 1000).toFixed(1)} s ahead of the server’s`, 'set the clocks by NTP');
  if (age > Math.min(oldestBeatMs, nodeLeaseMs))
    return warn(
      name,
      `it was last heard of ${(age / 1000).toFixed(1)} s ago, or its clock is behind`,
      `look at the log of its worker, and set the clocks by NTP`,
    );
  return ok(
    name,
    `${node.state}, version ${node.version}, ${node.slots} slots, launchers ${node.launchers.join(', ')}`,
  );
}
