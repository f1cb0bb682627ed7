import { numericEntries, readLinkText, readText } from '../host/read.ts';
import { machineRoots, type Roots } from '../host/roots.ts';

/** What one process of a job holds, as far as it matters for moving it. */
export interface Held {
  readonly pid: number;
  readonly name: string;
  readonly fds: readonly OpenFile[];
  readonly mappings: readonly Mapping[];
  /** Kind (`pid`, `mnt`, …) to the kernel's name of the namespace. */
  readonly namespaces: Readonly<Record<string, string>>;
  /** Pid of the process that traces this one; 0: none. */
  readonly tracer: number;
}

export interface OpenFile {
  readonly fd: number;
  /** A path as the job sees it, or the kernel's name: `socket:[4711]`, `anon_inode:[io_uring]`. */
  readonly target: string;
  /** The name is gone, or another file has it now. */
  readonly isDeleted: boolean;
  readonly isWritable: boolean;
  readonly isReadable: boolean;
}

export interface Mapping {
  readonly path: string;
  readonly isDeleted: boolean;
  readonly isShared: boolean;
}

const kinds = ['user', 'pid', 'mnt', 'ipc', 'net', 'uts', 'cgroup', 'time'] as const;
// Source: open(2), numbers for all processors that criu knows.
const [accessMode, readOnly, writeOnly] = [3, 0, 1];
const deletedMark = ' (deleted)';

/** Undefined where the process has ended meanwhile. */
export function lookAt(pid: number, roots: Roots = machineRoots): Held | undefined {
  const folder = `${roots.proc}/${pid}`;
  const status = readText(`${folder}/status`);
  if (status === undefined) return undefined;
  return {
    pid,
    name: /^Name:\t(.*)$/m.exec(status)?.[1] ?? '',
    fds: numericEntries(`${folder}/fd`).flatMap((fd) => {
      const link = readLinkText(`${folder}/fd/${fd}`);
      if (link === undefined) return [];
      const flags = /^flags:\s+([0-7]+)/m.exec(readText(`${folder}/fdinfo/${fd}`) ?? '')?.[1] ?? '0';
      const access = Number.parseInt(flags, 8) & accessMode;
      return [{ fd, ...named(link), isWritable: access !== readOnly, isReadable: access !== writeOnly }];
    }),
    mappings: parseMaps(readText(`${folder}/maps`) ?? ''),
    namespaces: Object.fromEntries(kinds.map((kind) => [kind, readLinkText(`${folder}/ns/${kind}`) ?? ''])),
    tracer: Number(/^TracerPid:\t(\d+)$/m.exec(status)?.[1] ?? 0),
  };
}

function named(link: string): { readonly target: string; readonly isDeleted: boolean } {
  const isDeleted = link.endsWith(deletedMark);
  return { target: isDeleted ? link.slice(0, -deletedMark.length) : link, isDeleted };
}

/** Files that are mapped, each once. Source: proc(5), `/proc/pid/maps`; blanks in paths are as they are. */
export function parseMaps(text: string): readonly Mapping[] {
  const found = new Map<string, Mapping>();
  for (const line of text.split('\n')) {
    const match = /^\S+ ...(.) \S+ \S+ [1-9]\d*\s+(.+)$/.exec(line);
    if (match === null) continue;
    const { target, isDeleted } = named(match[2] ?? '');
    const isShared = match[1] === 's';
    const before = found.get(target);
    found.set(target, { path: target, isDeleted, isShared: isShared || before?.isShared === true });
  }
  return [...found.values()];
}
