import { type ProcessStat, type ProcessTable, readProcessTable } from '@omx/launch';
import type { NodeUsage } from '@omx/queue';

import type { Attempts } from './attempt.ts';

/** proc(5) counts CPU time in these on every Linux architecture in use. */
const ticksASecond = 100;

interface Sum {
  ticks: number;
  rssPages: number;
}

/**
 * CPU time and memory of each attempt with a process, from one look at all processes of the node. A process belongs to
 * the attempt whose session it is in, or to that of its parent, as for the memory limit.
 */
export function readUsage(attempts: Attempts, table: ProcessTable = readProcessTable()): NodeUsage {
  const sums = new Map<number, Sum>();
  for (const { pid } of attempts.all()) if (pid !== undefined) sums.set(pid, { ticks: 0, rssPages: 0 });
  const owners = new Map<ProcessStat, Sum | undefined>();
  for (const process of table.byPid.values()) {
    const sum = ownerOf(process);
    if (sum === undefined) continue;
    sum.ticks += process.userTicks + process.sysTicks + process.childTicks;
    sum.rssPages += process.rssPages;
  }
  return {
    at: performance.now(),
    attempts: [...attempts.all()].flatMap(({ batch, ordinal, number, pid }) => {
      const sum = pid === undefined ? undefined : sums.get(pid);
      if (sum === undefined) return [];
      return [{ batch, ordinal, attempt: number, cpu: sum.ticks / ticksASecond, rss: sum.rssPages * table.pageBytes }];
    }),
  };

  function ownerOf(process: ProcessStat | undefined): Sum | undefined {
    if (process === undefined) return undefined;
    if (owners.has(process)) return owners.get(process);
    // The table is no snapshot: a pid used again while it was read may make a circle.
    owners.set(process, undefined);
    const owner = sums.get(process.pid) ?? sums.get(process.session) ?? ownerOf(table.byPid.get(process.parent));
    owners.set(process, owner);
    return owner;
  }
}
