import { type Stats, statSync } from 'node:fs';
import { readText } from '../../host/read.ts';
import { machineRoots, type Roots } from '../../host/roots.ts';
import type { CapsuleShape } from '../commands.ts';
import { inspect, type Inspection, plainDevices } from '../inspect.ts';
import { folderFiles } from '../launcher.ts';
import { lookAt, type OpenFile } from '../look.ts';
import type { Members } from '../members.ts';

/** What a look at one child of a job tells about moving it alone. */
export function inspectChild(
  child: number,
  members: Members,
  shape: CapsuleShape,
  roots: Roots = machineRoots,
): Inspection {
  const seen = inspect({ ...members, pids: [child] }, shape, roots);
  return { ...seen, reasons: [...seen.reasons, ...sharingReasons(child, members, shape, roots)] };
}

/**
 * What a child may share with its relatives, who stay: pipes, sockets, memory, and files that are written or whose place of
 * reading they share. In the words of `omx why`.
 */
export function sharingReasons(
  child: number,
  members: Members,
  shape: CapsuleShape,
  roots: Roots = machineRoots,
): readonly string[] {
  const held = lookAt(child, roots);
  const others = new Set(
    members.pids.flatMap((pid) => (pid === child ? [] : (lookAt(pid, roots)?.fds.map(({ target }) => target) ?? []))),
  );
  const reasons = [
    ...(held?.fds ?? []).map((file) => fileReason(`${roots.proc}/${child}/fd`, file, shape, others)),
    ...mappingReasons(readText(`${roots.proc}/${child}/maps`) ?? '', shape),
  ].filter((reason) => reason !== undefined);
  return [...new Set(reasons)].map((reason) => `process ${child} (${held?.name ?? ''}) ${reason}`);
}

function fileReason(
  folder: string,
  { fd, target, isDeleted, isWritable }: OpenFile,
  shape: CapsuleShape,
  others: ReadonlySet<string>,
): string | undefined {
  if (plainDevices.has(target)) return undefined;
  const facts = factsOf(`${folder}/${fd}`);
  if (facts === undefined) return undefined;
  if (facts.isFIFO()) return 'has a pipe open';
  if (facts.isSocket()) return 'has a socket open';
  if (!target.startsWith('/')) return `has ${target} open, which it may share`;
  const output = [folderFiles.out, folderFiles.err].some((name) => target === `${shape.mount}/${name}`);
  if (output && isWritable && !isDeleted) {
    const flags = Number.parseInt(/^flags:\s+([0-7]+)/m.exec(readText(`${folder}info/${fd}`) ?? '')?.[1] ?? '0', 8);
    return (flags & accessAndAppend) === onlyAppend ? undefined : `writes ${target} other than at its end`;
  }
  if (isWritable) return `has ${target} open for writing`;
  if (isDeleted) return `has ${target} open, which is deleted`;
  if (isOfJob(target, shape)) return `has ${target} of the job's own folder open`;
  return others.has(target) ? `reads ${target}, which other processes of the job have open too` : undefined;
}

/** Source: `include/uapi/asm-generic/fcntl.h`: O_ACCMODE | O_APPEND, and O_WRONLY | O_APPEND. */
const accessAndAppend = 0o2003;
const onlyAppend = 0o2001;

function factsOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

function mappingReasons(maps: string, shape: CapsuleShape): readonly (string | undefined)[] {
  return maps.split('\n').map((line) => {
    const [, write, share, path = ''] = /^\S+ .(.).(.) \S+ \S+ \d+\s*(.*)$/.exec(line) ?? [];
    if (isOfJob(path, shape)) return `has ${path} of the job's own folder mapped`;
    const isPlain = path.startsWith('/') && !/^\/(dev\/|memfd:|SYSV)| \(deleted\)$/.test(path);
    return share === 's' && (write === 'w' || !isPlain) ? 'shares memory' : undefined;
  });
}

function isOfJob(path: string, { mount, own }: CapsuleShape): boolean {
  return [mount, ...own].some((folder) => path.startsWith(`${folder}/`));
}
