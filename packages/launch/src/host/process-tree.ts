import { parseProcessStat, readPageSize, type ProcessStat } from './process.ts';
import { numericEntries, readText } from './read.ts';
import { machineRoots, type Roots } from './roots.ts';

/** All processes at about one moment. Take it once for many questions: it reads one file a process. */
export interface ProcessTable {
  readonly byPid: ReadonlyMap<number, ProcessStat>;
  readonly pageBytes: number;
}

export function readProcessTable(roots: Roots = machineRoots): ProcessTable {
  const byPid = new Map<number, ProcessStat>();
  for (const pid of numericEntries(roots.proc)) {
    const stat = parseProcessStat(readText(`${roots.proc}/${pid}/stat`) ?? '');
    if (stat !== undefined) byPid.set(stat.pid, stat);
  }
  return { byPid, pageBytes: readPageSize(roots) };
}

/**
 * The processes of the job started as `pid`: its descendants, and everything in the session it leads, because a
 * daemonised grandchild hangs below the reaper and is no descendant any more. Empty where `pid` left nothing behind.
 */
export function processTree(pid: number, table: ProcessTable): readonly ProcessStat[] {
  const children = new Map<number, ProcessStat[]>();
  for (const stat of table.byPid.values()) {
    const siblings = children.get(stat.parent);
    if (siblings === undefined) children.set(stat.parent, [stat]);
    else siblings.push(stat);
  }
  const members = new Map<number, ProcessStat>();
  const waiting = [...table.byPid.values()].filter((stat) => stat.pid === pid || stat.session === pid);
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (members.has(next.pid)) continue;
    members.set(next.pid, next);
    waiting.push(...(children.get(next.pid) ?? []));
  }
  return [...members.values()];
}

/** Resident memory of the job's processes, bytes. Pages they share count once for each, so this errs upwards. */
export function treeRss(pid: number, table: ProcessTable = readProcessTable()): number {
  return processTree(pid, table).reduce((sum, stat) => sum + stat.rssPages * table.pageBytes, 0);
}

/**
 * `pid` and its descendants, without reading every process: by the kernel's own lists of children (proc(5),
 * `/proc/pid/task/tid/children`), or by the whole table on kernels built without them.
 */
export function descendants(pid: number, roots: Roots = machineRoots): readonly number[] {
  if (readText(`${roots.proc}/${pid}/task/${pid}/children`) === undefined) {
    const table = readProcessTable(roots);
    return table.byPid.has(pid) ? processTree(pid, table).map((stat) => stat.pid) : [pid];
  }
  // A set is walked in the order of insertion, what is added meanwhile included.
  const found = new Set([pid]);
  for (const each of found) {
    const tasks = `${roots.proc}/${each}/task`;
    for (const task of numericEntries(tasks)) {
      const children = (readText(`${tasks}/${task}/children`) ?? '').split(' ').filter((word) => word !== '');
      for (const child of children) found.add(Number(child));
    }
  }
  return [...found];
}
