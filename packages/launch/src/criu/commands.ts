import { geteuid } from 'node:process';
import { bytesOf, type Bytes } from '@omx/core';

/** Command lines of the capsule and of criu. Pure: paths and numbers in, words out. */

/** What a capsule is made of; the same on every node that the job comes to, but for `folder`. */
export interface CapsuleShape {
  /** With a user namespace, for a worker that is not root. */
  readonly userNamespace: boolean;
  /** The path that the job knows its folder by. */
  readonly mount: string;
  /** Folders that are the job's own, such as the one where every Java program leaves a file named by its pid. */
  readonly own: readonly string[];
}

export interface CapsuleLine {
  readonly capsule: string;
  readonly shape: CapsuleShape;
  /** The job's folder on this node, absolute. */
  readonly folder: string;
}

export interface RunLine extends CapsuleLine {
  readonly command: readonly Bytes[];
  /** As the job sees it. @defaultValue its folder */
  readonly cwd?: Bytes;
  readonly stdin?: Bytes;
  /** Relative to `cwd`, or as the job sees them. */
  readonly stdout: Bytes;
  readonly stderr: Bytes;
}

export function runArgv(line: RunLine): readonly Bytes[] {
  const optional = (name: string, value: Bytes | undefined): readonly Bytes[] =>
    value === undefined ? [] : [bytesOf(name), value];
  return [
    ...[line.capsule, 'run', ...shapeWords(line)].map(bytesOf),
    ...optional('--cwd', line.cwd),
    ...optional('--in', line.stdin),
    ...optional('--out', line.stdout),
    ...optional('--err', line.stderr),
    bytesOf('--'),
    ...line.command,
  ];
}

function shapeWords({ shape, folder }: CapsuleLine): readonly string[] {
  const { userNamespace, mount, own } = shape;
  return [
    ...(userNamespace ? ['--user'] : []),
    ...['--folder', folder, '--mount', mount],
    ...own.flatMap((path) => ['--own', path]),
  ];
}

export interface DumpLine {
  readonly capsule: string;
  readonly criu: string;
  /** Pid of the job root, as this machine sees it. */
  readonly root: number;
  readonly userNamespace: boolean;
  readonly images: string;
  readonly log: string;
  /** For seizing the processes, seconds. */
  readonly seizeSeconds: number;
  /** Where its memory goes instead of into the image. */
  readonly pages?: PagesLine;
  /** A process of the job, by its pid in there: it alone, with those below it, and it is stopped where the gate is passed. */
  readonly child?: number;
}

/** A page server that listens by `pageServerArgv`. */
export interface PagesLine {
  readonly port: number;
  /** All of one host, numeric. */
  readonly addresses: readonly string[];
}

/** The descriptor at which criu finds a connection that was made for it. */
const pagesFd = '3';
export const pageServerLog = 'page-server.log';

/** The job root's pid in its capsule; `capsule.h` says the same. */
export const rootPid = 2;

/**
 * What both sides must agree on: locks are kept, deleted but open files go along up to 1 GiB, those with another name are
 * linked to it, and a job's control groups are the node's matter.
 */
const common = ['--file-locks', '--link-remap', '--ghost-limit', '1G', '--manage-cgroups=ignore', '-v2'];

/** A job without `--leave-stopped`: the gate decides what becomes of the original. */
export function dumpArgv(line: DumpLine): readonly string[] {
  const { capsule, pages, child = rootPid } = line;
  return [
    ...(pages === undefined ? [] : [capsule, 'connect', String(pages.port), ...pages.addresses, '--fd', pagesFd, '--']),
    ...[capsule, 'enter', String(line.root), '--dump', '--'],
    ...[line.criu, 'dump', ...(line.userNamespace ? ['--unprivileged'] : []), '--tree', String(child)],
    ...(line.child === undefined ? [] : ['--shell-job', '--leave-stopped']),
    ...['--images-dir', line.images, '--work-dir', line.log, '--log-file', 'dump.log'],
    ...['--timeout', String(line.seizeSeconds), ...common, '--action-script', capsule],
    ...(pages === undefined ? [] : ['--page-server', '--ps-socket', pagesFd]),
  ];
}

/** criu outside of any capsule; it has to be root, if only in its own eyes. */
export function aloneArgv({ capsule, criu, words, notes }: AloneLine): readonly string[] {
  if (geteuid?.() !== 0) return [capsule, 'as-root', '--', criu, ...words, '--unprivileged'];
  return [...(notes === undefined ? [] : [capsule, 'noting', notes, '--']), criu, ...words];
}

interface AloneLine {
  readonly capsule: string;
  readonly criu: string;
  readonly words: readonly string[];
  /** Of `notesFolder`. */
  readonly notes: string | undefined;
}

/** For `omx-capsule listen`: its options, and criu to write what comes into `images`. */
export function pageServerArgv(
  line: Omit<AloneLine, 'words'> & { readonly images: string; readonly log: string },
): readonly string[] {
  const { images, log, ...alone } = line;
  const words = ['page-server', '--ps-socket', pagesFd, '--images-dir', images, '--work-dir', log];
  return ['--fd', pagesFd, '--', ...aloneArgv({ ...alone, words: [...words, '--log-file', pageServerLog, '-v2'] })];
}

export interface ThawLine extends CapsuleLine {
  readonly criu: string;
  readonly images: string;
  /** Folder for criu's own files. */
  readonly log: string;
  /** Of `notesFile`. */
  readonly notes?: string | undefined;
  /** Of the image of a single child: its pid in there, and the file that tells of its end, as the copy's capsule sees it. */
  readonly child?: { readonly pid: number; readonly status: string };
}

/** CLOCK_MONOTONIC and CLOCK_BOOTTIME of a job, nanoseconds. */
export interface Clocks {
  readonly monotonicNs: bigint;
  readonly bootNs: bigint;
}

export function thawArgv(line: ThawLine): readonly string[] {
  const { capsule, child, notes } = line;
  return [
    ...[capsule, 'thaw', ...shapeWords(line)],
    ...['--log', `${line.log}/thaw.log`, ...(notes === undefined ? [] : ['--notes', notes]), '--'],
    ...(child === undefined ? [] : [capsule, 'lead', '--']),
    ...[line.criu, 'restore', ...(line.shape.userNamespace ? ['--unprivileged'] : [])],
    ...(child === undefined ? [] : ['--shell-job']),
    ...['--images-dir', line.images, '--work-dir', line.log, '--log-file', 'restore.log', ...common],
    ...['--action-script', capsule, '--exec-cmd', '--', ...waiterArgv(line)],
  ];
}

/** What criu becomes once the copy runs. */
export function waiterArgv({ capsule, child }: Pick<ThawLine, 'capsule' | 'child'>): readonly string[] {
  return child === undefined ? [capsule, 'wait'] : [capsule, 'wait-child', String(child.pid), child.status];
}
