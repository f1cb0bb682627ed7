import { formatDuration, type NodeInfo } from '@omx/core';

import { type Check, fail, ok, warn } from './check.ts';
import { judgeFileLimit } from './machine.ts';

/** A beat is a few seconds old at most. */
const oldestBeatMs = 6000;
const ntp = 'set the clocks by NTP (timedatectl set-ntp true)';

export interface NodesContext {
  readonly version: string;
  /** The server's time, milliseconds since the epoch. */
  readonly now: number;
  /** Commands start a worker by themselves where the queue is the embedded one. */
  readonly embedded: boolean;
}

/** The nodes of the queue, as they last described themselves. */
export function checkNodes(nodes: readonly NodeInfo[], context: NodesContext): Check[] {
  const checks = nodes.flatMap((node) => checkNode(node, context));
  if (nodes.some(({ state }) => state !== 'down')) return checks;
  const none = 'no node is up, so jobs wait';
  return [
    ...checks,
    context.embedded
      ? warn('nodes', none, 'omx up starts a worker on this machine')
      : fail('nodes', none, 'omx worker makes a machine a node'),
  ];
}

/** How one node is, and what there is to remark on it. */
export function checkNode(node: NodeInfo, context: NodesContext): Check[] {
  const checks = [checkState(node, context)];
  if (node.state === 'down') return checks;
  const name = `node ${node.name}`;
  if (node.version !== context.version) {
    checks.push(
      warn(
        name,
        `its worker is version ${node.version}, this omx ${context.version}; they understand each other`,
        'start its worker again with the same version when that suits (SIGUSR2 keeps its jobs)',
      ),
    );
  }
  if (node.clockOffsetMs !== 0) {
    const off = `${formatDuration(Math.abs(node.clockOffsetMs))} ${node.clockOffsetMs > 0 ? 'ahead of' : 'behind'}`;
    checks.push(warn(name, `its clock is ${off} the queue’s; omx corrects its times, programs do not`, ntp));
  }
  const limit = judgeFileLimit(name, node.fileLimit, `its worker may hold ${node.fileLimit} files open`);
  return limit.verdict === 'ok' ? checks : [...checks, limit];
}

function checkState(node: NodeInfo, { now }: NodesContext): Check {
  const name = `node ${node.name}`;
  const why = node.reason === '' ? '' : `: ${node.reason}`;
  const age = now - node.lastSeen;
  switch (node.state) {
    case 'down':
      return warn(
        name,
        node.reason === '' ? `lost; last seen ${new Date(node.lastSeen).toISOString()}` : `down${why}`,
        `omx worker --name ${node.name} on it, if it should be there`,
      );
    case 'quarantined':
      return fail(name, `quarantined, takes no jobs${why}`, `mend it, then omx undrain ${node.name}`);
    case 'draining':
    case 'drained':
      return warn(name, `${node.state}, takes no jobs${why}`, `omx undrain ${node.name} when it shall take jobs again`);
    case 'up':
      break;
  }
  if (age > oldestBeatMs)
    return warn(
      name,
      `it was last heard of ${(age / 1000).toFixed(1)} s ago`,
      'look at the log of its worker and at the network between',
    );
  const takes = node.role === 'home' ? 'role home, takes no jobs' : `${node.slots} slots`;
  const trying = (node.trying ?? []).map((launcher) => `${launcher} (still being tried out)`);
  const launchers = [...node.launchers, ...trying].join(', ');
  return ok(name, `${node.state}, version ${node.version}, ${takes}, launchers ${launchers}`);
}
