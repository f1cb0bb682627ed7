import type { LauncherName, NodeAccount, NodeInfo, NodeMap, NodeRole, NodeState, OnLost } from '@omx/core';
import { type LauncherFacts, type Load, readMemoryFacts, readOpenFileLimit } from '@omx/launch';
import { queueClock } from '@omx/queue';

/** What a node says of itself that does not change while its worker lives. */
export interface NodeConstants {
  readonly name: string;
  readonly identity: string;
  readonly role: NodeRole;
  readonly labels: Readonly<Record<string, string>>;
  readonly version: string;
  readonly maxSlots: number;
  readonly leaseMs: number;
  readonly onLost: OnLost;
  readonly place: string;
  readonly shepherdPid: number;
  /** Where other nodes reach this one. */
  readonly address: string;
  readonly map?: NodeMap;
  readonly account: NodeAccount;
}

/** What changes. */
export interface NodeStatus {
  readonly state: NodeState;
  readonly reason: string;
  readonly slots: number;
  readonly running: number;
  readonly speed: number;
  readonly load: Load;
  readonly facts: readonly LauncherFacts[];
  /** Launchers that it is still trying out. */
  readonly trying: readonly LauncherName[];
}

/** The node as the others are to see it now. */
export function describeNode(node: NodeConstants, status: NodeStatus): NodeInfo {
  const { load, facts, trying, ...state } = status;
  const memory = readMemoryFacts();
  return {
    ...node,
    ...state,
    load: round(load.load),
    externalLoad: round(load.externalLoad),
    busy: round(load.busy),
    cpus: round(load.cpus),
    arch: process.arch,
    memTotal: memory?.totalBytes ?? 0,
    memFree: memory?.availableBytes ?? 0,
    launchers: facts.filter((fact) => fact.usable).map((fact) => fact.name),
    ...(trying.length === 0 ? {} : { trying }),
    lastSeen: queueClock.now(),
    pid: process.pid,
    clockOffsetMs: queueClock.offsetMs,
    fileLimit: readOpenFileLimit()?.soft ?? 0,
  };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
