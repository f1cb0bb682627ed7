import { OmxError } from '@omx/core';
import { descendants } from '../host/process-tree.ts';
import { numericEntries, readLinkText, readText } from '../host/read.ts';
import { machineRoots, type Roots } from '../host/roots.ts';
import { rootPid } from './commands.ts';

/** A capsule as found in /proc, by pids of this machine. */
export interface Members {
  /** Pid 1 of the capsule. */
  readonly init: number;
  readonly root: number;
  /** The job root and everything below it: what an image holds. */
  readonly pids: readonly number[];
  readonly userNamespace: boolean;
}

/**
 * @param pid of `omx-capsule run` or `thaw`
 * @param top the first process's pid in the capsule. @defaultValue the job root's
 * @throws NOT_RUNNING where the job has ended
 */
export function readMembers(pid: number, roots: Roots = machineRoots, top: number = rootPid): Members {
  const [init] = childrenOf(pid, roots);
  const innermost = init === undefined ? 0 : innerIds(init, 'NSpid', roots).length;
  const root =
    init === undefined || innermost === 0
      ? undefined
      : descendants(init, roots).find((each) => innerIds(each, 'NSpid', roots)[innermost - 1] === top);
  if (init === undefined || root === undefined) {
    throw new OmxError(`the job of process ${pid} is not running`, { code: 'NOT_RUNNING' });
  }
  return {
    init,
    root,
    pids: descendants(root, roots),
    userNamespace: readLinkText(`${roots.proc}/${init}/ns/user`) !== readLinkText(`${roots.proc}/self/ns/user`),
  };
}

/** The job's own first process; undefined where it has ended, or is not made yet. @param pid as for `readMembers` */
export function rootOf(pid: number): number | undefined {
  try {
    return readMembers(pid).root;
  } catch {
    return undefined;
  }
}

function childrenOf(pid: number, roots: Roots): readonly number[] {
  return wordsOf(readText(`${roots.proc}/${pid}/task/${pid}/children`)).map(Number);
}

function wordsOf(text: string | undefined): readonly string[] {
  return (text ?? '').split(/\s+/).filter((word) => word !== '');
}

/** A process's ids, one for each pid namespace it is in, the outermost first. Source: proc(5), `NSpid` and its like. */
function innerIds(pid: number, name: 'NSpid' | 'NSpgid' | 'NSsid', roots: Roots, task?: number): readonly number[] {
  const path = task === undefined ? `${pid}/status` : `${pid}/task/${task}/status`;
  const line = new RegExp(`^${name}:(.*)$`, 'm').exec(readText(`${roots.proc}/${path}`) ?? '');
  return wordsOf(line?.[1]).map(Number);
}

/** A process's pid in the innermost pid namespace that it is in. */
export function innerPid(pid: number, roots: Roots = machineRoots): number | undefined {
  return innerIds(pid, 'NSpid', roots).at(-1);
}

/** Between two restarts of the count at the default `pid_max`, whatever the other node's is. */
const lastUsable = 32_000;
/** criu and its helpers; few are needed, and a job that forks meanwhile takes some too. */
const room = 200;

/** A pid after which that many are free in the image: of processes, threads, process groups and sessions. */
export function freePids(pids: readonly number[], roots: Roots = machineRoots): number {
  const used = new Set<number>();
  for (const pid of pids) {
    for (const name of ['NSpgid', 'NSsid'] as const) used.add(innerIds(pid, name, roots).at(-1) ?? 0);
    for (const task of numericEntries(`${roots.proc}/${pid}/task`)) {
      used.add(innerIds(pid, 'NSpid', roots, task).at(-1) ?? 0);
    }
  }
  let before = 300;
  for (const id of [...used].sort((a, b) => a - b)) {
    if (id - before > room) break;
    before = Math.max(before, id);
  }
  if (before + room > lastUsable) {
    throw new OmxError('the job uses so many process ids that none are left for criu', { code: 'CANNOT_MOVE' });
  }
  return before;
}
