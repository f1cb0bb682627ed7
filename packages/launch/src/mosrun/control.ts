import { OmxError } from '@omx/core';
import type { Tools } from './detect.ts';
import { dialectTitles, isMosix, type LiveDialect } from './dialect.ts';

/** What to do to have the cluster act: run a program, or write into a file of the kernel. */
export type ControlStep =
  | { readonly kind: 'run'; readonly argv: readonly string[] }
  | { readonly kind: 'write'; readonly path: string; readonly text: string };

/** `balance`: back under the kernel's own policy, which only openMosix can be asked for. */
export type MoveTarget = { readonly kind: 'node'; readonly node: string } | { readonly kind: 'home' | 'balance' };

export interface ControlRequest {
  readonly dialect: LiveDialect;
  readonly tools: Tools;
  readonly proc: string;
  readonly subject: { readonly pid: number } | { readonly groupId: number };
}

/**
 * Asks for a move. Both systems treat it as a request that may come to nothing without an error, so a move has
 * happened when `whereabouts` says so, and not before. Sources: openMosix migrate(1), MOSIX-2 migrate page.
 */
export function moveStep(request: ControlRequest, target: MoveTarget): ControlStep {
  const { dialect, subject, tools } = request;
  if (dialect === 'openmosix-2.6') {
    if (!('pid' in subject)) throw cannot(dialect, 'move a group');
    if (target.kind === 'balance') throw cannot(dialect, 'balance by itself');
    const text = target.kind === 'node' ? nodeWord(target.node) : 'home';
    return { kind: 'write', path: `${request.proc}/${subject.pid}/om/where`, text };
  }
  // A small j here, where mosrun itself and moskillall take a capital one.
  const who = 'pid' in subject ? String(subject.pid) : `-j${subject.groupId}`;
  if (isMosix(dialect) && target.kind === 'balance') throw cannot(dialect, 'take a balance order');
  if (!isMosix(dialect) && !('pid' in subject)) throw cannot(dialect, 'move a group');
  const to = target.kind === 'node' ? nodeWord(target.node) : target.kind;
  const name = dialect === 'mosix-3' || dialect === 'mosix-4' ? 'mosmigrate' : 'migrate';
  return { kind: 'run', argv: [tools[name] ?? name, who, to] };
}

/** Signals a whole group; undefined where plain kill(2) on the home pids is the way. */
export function signalGroupStep(request: ControlRequest, signal: number): ControlStep | undefined {
  if (!isMosix(request.dialect) || !('groupId' in request.subject)) return undefined;
  const file = request.tools.moskillall ?? 'moskillall';
  return { kind: 'run', argv: [file, `-${signal}`, `-J${request.subject.groupId}`] };
}

function nodeWord(node: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._:-]*$/.test(node)) {
    throw new OmxError(`'${node}' is no name of a node`, { code: 'USAGE' });
  }
  return node;
}

function cannot(dialect: LiveDialect, what: string): OmxError {
  return new OmxError(`${dialectTitles[dialect]} cannot ${what}`, { code: 'LAUNCHER_CANNOT' });
}
