import { Buffer } from 'node:buffer';
import { bytesFromBuffer, bytesOf, OmxError, textOf, usageError, type Bytes } from '@omx/core';
import type { Placement } from '../launcher.ts';
import { dialectTitles, isMosix, type LiveDialect } from './dialect.ts';

/**
 * What MOSIX does when the program calls something it does not support: the call fails, it fails and a line goes to
 * stderr, or the program is killed.
 */
export type UnsupportedCalls = 'error' | 'report' | 'kill';

export interface MosrunCommand {
  readonly dialect: LiveDialect;
  /** Absolute path of mosrun. */
  readonly mosrun: string;
  readonly argv: readonly Bytes[];
  /** The name the program shall see as its own; undefined: the one it is called by. */
  readonly argv0?: Bytes;
  readonly placement: Placement;
  readonly memBytes?: number;
  readonly groupId?: number;
  /** MOSIX only. @defaultValue 'error' */
  readonly unsupported?: UnsupportedCalls;
}

/**
 * The command line that has this program started by mosrun. No shell sees it.
 * Sources: openMosix mosrun(1), MOSIX-2 mosrun page; of the latter only options that version 4 is believed to have kept,
 * so never a queue or batch option (-q -Q -P -E -M -i).
 */
export function mosrunArgv(command: MosrunCommand): readonly Bytes[] {
  const program = programWords(command);
  if (command.dialect === 'openmosix-2.6') return kernelOnly(command, program);
  const options = isMosix(command.dialect) ? mosixOptions(command) : openMosixOptions(command.placement);
  if (command.argv0 !== undefined) options.push('-z');
  return [bytesOf(command.mosrun), ...options.map((option) => bytesOf(option)), ...program];
}

/**
 * Neither family documents `--`, so a program whose name looks like an option cannot be said as it is. A path can be
 * said another way; a name that is searched on PATH cannot, since `./` would mean another file.
 */
function programWords({ argv, argv0 }: MosrunCommand): readonly Bytes[] {
  const [name, ...args] = argv;
  if (name === undefined || name === '') throw usageError('cannot start a job without a program');
  if (name.startsWith('-') && !name.includes('/')) {
    throw usageError(
      `mosrun would take the program name '${textOf(name)}' for an option`,
      `give it with a path, such as ./${textOf(name)}, or use --launcher plain`,
    );
  }
  const said = name.startsWith('-') ? bytesFromBuffer(Buffer.from(`./${name}`, 'latin1')) : name;
  return argv0 === undefined ? [said, ...args] : [said, argv0, ...args];
}

/** Order as in the synopsis: placement, -F, lock, statistics. Without -l openMosix locks what it starts. */
function openMosixOptions(placement: Placement): string[] {
  switch (placement.kind) {
    case 'balanced':
      return ['-l', '-c'];
    case 'io':
      return ['-l', '-i'];
    case 'home':
      return ['-h'];
    case 'start-at':
      return [`-${openMosixNode(placement.node)}`, '-F', '-l'];
    case 'pinned':
      return [`-${openMosixNode(placement.node)}`, '-L'];
    case 'one-of':
      return [`-j${nodeList(placement.nodes)}`, '-l'];
  }
}

function mosixOptions(command: MosrunCommand): string[] {
  const { placement, memBytes, groupId } = command;
  const lenient = { error: ['-e'], report: ['-w'], kill: [] }[command.unsupported ?? 'error'];
  switch (placement.kind) {
    case 'balanced':
      return [
        '-b',
        ...lenient,
        ...(memBytes === undefined ? [] : [`-m${Math.max(1, Math.ceil(memBytes / 2 ** 20))}`]),
        ...(groupId === undefined ? [] : [`-J${groupId}`]),
      ];
    case 'io':
      return ['-b', ...lenient];
    case 'home':
      return ['-h', '-L'];
    case 'start-at':
      return [mosixNode(placement.node), '-F', '-l', ...lenient];
    case 'pinned':
      return [mosixNode(placement.node), '-L', ...lenient];
    case 'one-of':
      return [`-j${nodeList(placement.nodes)}`, ...lenient];
  }
}

function kernelOnly(command: MosrunCommand, program: readonly Bytes[]): readonly Bytes[] {
  const { kind } = command.placement;
  if (kind === 'balanced' || kind === 'io' || kind === 'home') {
    if (command.argv0 === undefined) return program;
  }
  throw new OmxError(
    `cannot start a job ${command.argv0 === undefined ? `with placement '${kind}'` : 'under another name'}: ` +
      `${dialectTitles['openmosix-2.6']} has no program to start it with`,
    { code: 'LAUNCHER_CANNOT', hint: 'start it anywhere and use omx migrate' },
  );
}

function openMosixNode(node: string): string {
  const id = /^\d{1,5}$/.test(node) ? Number(node) : 0;
  if (id < 1 || id > 65_535) {
    throw usageError(`openMosix knows nodes by number, 1 to 65535, not as '${node}'`, 'omx nodes lists them');
  }
  return String(id);
}

/** A number and an address have forms of their own; everything else is a host name. */
function mosixNode(node: string): string {
  if (/^\d+$/.test(node) || /^\d{1,3}(\.\d{1,3}){3}$/.test(node)) return `-${node}`;
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(node)) throw usageError(`'${node}' is no host name`);
  return `-r${node}`;
}

/** `1-4,7`: ascending, each once. */
export function nodeList(nodes: readonly number[]): string {
  const sorted = [...new Set(nodes)].sort((a, b) => a - b);
  const wrong = sorted.find((node) => !Number.isInteger(node) || node < 1 || node > 65_535);
  if (sorted.length === 0 || wrong !== undefined) {
    throw usageError(wrong === undefined ? 'a choice of nodes needs at least one' : `${wrong} is no node number`);
  }
  const ranges: { first: number; last: number }[] = [];
  for (const node of sorted) {
    const range = ranges.at(-1);
    if (range !== undefined && node === range.last + 1) range.last = node;
    else ranges.push({ first: node, last: node });
  }
  return ranges.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`)).join(',');
}
