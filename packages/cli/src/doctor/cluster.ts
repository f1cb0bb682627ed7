import type { NodeInfo } from '@omx/core';

import { type Check, ok, warn } from './check.ts';

/** What must be the same on all nodes that are up; nothing to say of a single one. */
export function checkCluster(nodes: readonly NodeInfo[]): Check[] {
  const up = nodes.filter(({ state }) => state !== 'down');
  return up.length < 2 ? [] : [checkAccounts(up), ...checkMaps(up)];
}

/** Files on a shared disk, and processes that migrate, belong to numbers and not to names. */
export function checkAccounts(nodes: readonly NodeInfo[]): Check {
  const name = 'accounts';
  const users = groupBy(nodes, ({ account }) => account.user);
  for (const [user, its] of users) {
    const ids = groupBy(its, ({ account }) => `${account.uid}:${account.gid}`);
    if (ids.size > 1) {
      return warn(
        name,
        `the ids of ${user} differ: ${spread(ids)}`,
        `give ${user} the same uid and gid on all nodes (usermod -u, groupmod -g), or files on a shared disk are somebody else’s`,
      );
    }
  }
  if (users.size > 1)
    return warn(name, `workers run as different users: ${spread(users)}`, 'start all workers as the same user');
  const { account } = nodes[0] as NodeInfo;
  return ok(name, `${account.user} is ${account.uid}:${account.gid} on all nodes`);
}

/** Under openMosix two maps that differ are two clusters that disagree about who is who. */
export function checkMaps(nodes: readonly NodeInfo[]): Check[] {
  const name = 'map';
  const withMap = nodes.filter(({ map }) => map !== undefined);
  if (withMap.length === 0) return [];
  const contents = groupBy(withMap, ({ map }) => map?.digest ?? '');
  if (contents.size > 1) {
    const groups = [...contents.values()].map((its) => its.map(({ name: each }) => each).join(', '));
    return [
      warn(
        name,
        `the maps differ: that of ${groups.join(' is not that of ')}`,
        'copy the same map to all nodes and start their workers again',
      ),
    ];
  }
  if (withMap.length < nodes.length) {
    const without = nodes.filter(({ map }) => map === undefined).map(({ name: each }) => each);
    return [warn(name, `${without.join(', ')} joined without one`, 'start their workers with --map')];
  }
  return [ok(name, `identical on all ${nodes.length} nodes`)];
}

function groupBy<Each>(all: readonly Each[], keyOf: (each: Each) => string): Map<string, Each[]> {
  const groups = new Map<string, Each[]>();
  for (const each of all) groups.set(keyOf(each), [...(groups.get(keyOf(each)) ?? []), each]);
  return groups;
}

function spread(groups: ReadonlyMap<string, readonly NodeInfo[]>): string {
  return [...groups].map(([what, its]) => `${what} on ${its.map(({ name }) => name).join(', ')}`).join('; ');
}
