import { noUsage, type Usage } from '@omx/core';
import { type ProcessStat, type ProcessTable, readProcessTable } from '@omx/launch';
import type { NodeUsage } from '@omx/queue';

import type { Attempt, Attempts } from './attempt.ts';

/** proc(5) counts CPU time in these on every Linux architecture in use. */
const ticksASecond = 100;

/** The processes of each attempt that has one, by the attempt's key. */
export type AttemptProcesses = ReadonlyMap<string, readonly ProcessStat[]>;

/**
 * From one look at all processes of the node. A process belongs to the attempt whose session it is in, or to that of its
 * parent, as for the memory limit.
 */
export function processesOf(attempts: Attempts, table: ProcessTable): AttemptProcesses {
  const byKey = new Map<string, ProcessStat[]>();
  const byPid = new Map<number, ProcessStat[]>();
  for (const { key, pid } of attempts.all()) {
    if (pid === undefined) continue;
    const own: ProcessStat[] = [];
    byKey.set(key, own);
    byPid.set(pid, own);
  }
  const owners = new Map<ProcessStat, ProcessStat[] | undefined>();
  for (const process of table.byPid.values()) ownerOf(process)?.push(process);
  return byKey;

  function ownerOf(process: ProcessStat | undefined): ProcessStat[] | undefined {
    if (process === undefined) return undefined;
    if (owners.has(process)) return owners.get(process);
    // The table is no snapshot: a pid used again while it was read may make a circle.
    owners.set(process, undefined);
    const owner = byPid.get(process.pid) ?? byPid.get(process.session) ?? ownerOf(table.byPid.get(process.parent));
    owners.set(process, owner);
    return owner;
  }
}

/** A process that is there, and all below it. */
export function descendants(pid: number, { byPid }: ProcessTable): ProcessStat[] {
  const root = byPid.get(pid);
  if (root === undefined) return [];
  // A set keeps its order, and takes what comes again for no news: the table may have circles.
  const found = new Set([root]);
  for (const above of found) for (const each of byPid.values()) if (each.parent === above.pid) found.add(each);
  return [...found];
}

/** CPU time of the processes and of their children that have ended, seconds. */
export function cpuOf(processes: readonly ProcessStat[]): number {
  return processes.reduce((sum, each) => sum + each.userTicks + each.sysTicks + each.childTicks, 0) / ticksASecond;
}

/** Bytes; pages they share count once for each. */
export function rssOf(processes: readonly ProcessStat[], { pageBytes }: ProcessTable): number {
  return processes.reduce((sum, each) => sum + each.rssPages, 0) * pageBytes;
}

/**
 * CPU time and memory of each attempt with a process.
 * @param earlierOf what was counted of an attempt before it came here. @defaultValue nothing
 */
export function readUsage(
  attempts: Attempts,
  table: ProcessTable = readProcessTable(),
  earlierOf: (attempt: Attempt) => Usage = () => noUsage,
): NodeUsage {
  const processes = processesOf(attempts, table);
  return {
    at: performance.now(),
    attempts: [...attempts.all()].flatMap((attempt) => {
      const { key, batch, ordinal, number } = attempt;
      const own = processes.get(key);
      if (own === undefined) return [];
      const { userUs, sysUs } = earlierOf(attempt);
      const cpu = cpuOf(own) + (userUs + sysUs) / 1e6;
      return [{ batch, ordinal, attempt: number, cpu, rss: rssOf(own, table) }];
    }),
  };
}
