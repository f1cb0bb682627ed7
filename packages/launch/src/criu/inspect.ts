import { machineRoots, type Roots } from '../host/roots.ts';
import type { CapsuleShape } from './commands.ts';
import { lookAt, type Held, type Mapping, type OpenFile } from './look.ts';
import type { Members } from './members.ts';
import { boundSockets } from './sockets.ts';

/** What a look at a running job tells about moving it. */
export interface Inspection {
  /** Why it cannot move now, in the words of `omx why`; empty: nothing that can be seen. */
  readonly reasons: readonly string[];
  /** Programs, libraries and other files that have to be the same on the next node. */
  readonly needed: readonly string[];
  /** Files in folders for temporary ones, which go along with the job. */
  readonly carried: readonly CarriedFile[];
}

export interface CarriedFile {
  readonly path: string;
  /** The job may have changed it: its own is put in the place of another one. */
  readonly isWritable: boolean;
}

/** No two nodes share these. */
const temporary = ['/tmp/', '/var/tmp/', '/dev/shm/'];
/** That are the same everywhere, and of which nobody can tell who else has them open. */
export const plainDevices = new Set(['null', 'zero', 'full', 'random', 'urandom'].map((name) => `/dev/${name}`));
const anonymous: Readonly<Record<string, string>> = {
  io_uring: 'io_uring',
  perf_event: 'performance counters (perf)',
  userfaultfd: 'userfaultfd',
  'kvm-vm': 'a virtual machine (KVM)',
  bpf: 'eBPF',
  fanotify: 'fanotify',
};
const anonymousThatMove = new Set(['eventfd', 'eventpoll', 'signalfd', 'timerfd', 'pidfd', 'inotify']);

/** Costs a few reads for each file that the job has open or mapped; it need not stand still. */
export function inspect(members: Members, shape: CapsuleShape, roots: Roots = machineRoots): Inspection {
  const held = members.pids.map((pid) => lookAt(pid, roots)).filter((each) => each !== undefined);
  const home = lookAt(members.root, roots)?.namespaces ?? {};
  const inodes = new Set(held.flatMap((each) => each.fds.flatMap(({ target }) => socketInode(target) ?? [])));
  const sockets = new Map(boundSockets(members.root, inodes, roots).map(({ inode, what }) => [inode, what]));
  const reasons = new Map<string, Held[]>();
  for (const each of held) {
    const found = [
      ...outsideReasons(each, home),
      ...each.fds.map((file) => openReason(file, sockets, members.userNamespace)),
      ...each.mappings.map((mapping) => mappingReason(mapping, members.userNamespace)),
    ].filter((reason) => reason !== undefined);
    for (const reason of new Set(found)) reasons.set(reason, [...(reasons.get(reason) ?? []), each]);
  }
  const files = filesOf(held, [shape.mount, ...shape.own]);
  const isTemporary = (path: string): boolean => temporary.some((folder) => path.startsWith(folder));
  return {
    reasons: [...reasons].map(([reason, processes]) => said(processes, reason)),
    needed: [...files.keys()].filter((path) => !isTemporary(path)),
    carried: [...files].flatMap(([path, isWritable]) => (isTemporary(path) ? [{ path, isWritable }] : [])),
  };
}

/** Of a pool's processes each has the same reason. */
function said([first, ...others]: readonly Held[], reason: string): string {
  const more = others.length > 1 ? ` (${others.length} others too)` : others.length > 0 ? ' (another too)' : '';
  return `process ${first?.pid} (${first?.name}) ${reason}${more}`;
}

function outsideReasons(held: Held, home: Held['namespaces']): readonly (string | undefined)[] {
  const kinds: Readonly<Record<string, string>> = {
    mnt: 'mount',
    net: 'network',
    user: 'user',
    pid: 'pid',
    ipc: 'ipc',
  };
  return [
    held.tracer === 0 ? undefined : `is traced by process ${held.tracer} (a debugger, strace)`,
    ...Object.entries(held.namespaces).map(([kind, name]) =>
      name === '' || home[kind] === undefined || home[kind] === '' || name === home[kind]
        ? undefined
        : `is in another ${kinds[kind] ?? kind} namespace (a container inside the job)`,
    ),
  ];
}

function socketInode(target: string): string | undefined {
  return /^socket:\[(\d+)\]$/.exec(target)?.[1];
}

function openReason(
  { target, isDeleted, isWritable, isReadable }: OpenFile,
  sockets: ReadonlyMap<string, string>,
  userNamespace: boolean,
): string | undefined {
  const inode = socketInode(target);
  if (inode !== undefined) {
    const what = sockets.get(inode);
    return what === undefined ? undefined : `holds ${what}`;
  }
  const kind = /^anon_inode:\[?([^\]]+)\]?$/.exec(target)?.[1];
  if (kind !== undefined) {
    if (kind === 'inotify' && userNamespace) return 'watches files (inotify), which cannot be moved without root';
    return anonymousThatMove.has(kind) ? undefined : `uses ${anonymous[kind] ?? kind}`;
  }
  // criu makes an end for reading of it: who only waits there would read the end of the file, and without a pause.
  if (target.startsWith('pipe:') && isWritable && isReadable) return 'has a pipe open for reading and writing at once';
  // criu empties a terminal to look into it, and leaves it so where the job stays after all.
  if (/^\/dev\/(pts\/|ptmx|tty|console)/.test(target)) return `has a terminal open (${target})`;
  if (target.startsWith('/dev/') && !target.startsWith('/dev/shm/') && !plainDevices.has(target) && !isDeleted) {
    return `has a device open (${target})`;
  }
  return target.startsWith('/proc/') ? `has ${target} open` : undefined;
}

function mappingReason({ path, isDeleted, isShared }: Mapping, userNamespace: boolean): string | undefined {
  if (path.startsWith('/SYSV')) {
    return userNamespace ? 'uses System V shared memory, which cannot be moved without root' : undefined;
  }
  if (path.startsWith('/dev/') && !path.startsWith('/dev/shm/') && path !== '/dev/zero') return `has ${path} mapped`;
  if (isDeleted && isShared && userNamespace && path.startsWith('/dev/shm/')) {
    return 'shares memory without a name (as Python multiprocessing does), which cannot be moved without root';
  }
  return path.startsWith('anon_inode:')
    ? openReason({ fd: -1, target: path, isDeleted, isWritable: true, isReadable: true }, new Map(), userNamespace)
    : undefined;
}

/** Regular files by name outside the job's own folders, and whether the job may change them. */
function filesOf(held: readonly Held[], own: readonly string[]): ReadonlyMap<string, boolean> {
  const found = new Map<string, boolean>();
  const add = (path: string, isDeleted: boolean, isWritable: boolean): void => {
    const isElsewhere = /^\/(dev\/(?!shm\/)|proc\/|memfd:|SYSV)/.test(path);
    const isOwn = own.some((folder) => path === folder || path.startsWith(`${folder}/`));
    if (!path.startsWith('/') || isDeleted || isOwn || isElsewhere) return;
    found.set(path, isWritable || found.get(path) === true);
  };
  for (const { fds, mappings } of held) {
    for (const { target, isDeleted, isWritable } of fds) add(target, isDeleted, isWritable);
    for (const { path, isDeleted, isShared } of mappings) add(path, isDeleted, isShared);
  }
  return found;
}
