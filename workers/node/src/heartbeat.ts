import { userInfo } from 'node:os';

import type { NodeInfo, NodeMap, NodeRole, NodeState, OnLost } from '@omx/core';
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
}

/** The node as the others are to see it now. */
export function describeNode(node: NodeConstants, status: NodeStatus): NodeInfo {
  const { load, facts, ...state } = status;
  const memory = readMemoryFacts();
  const { username, uid, gid } = userInfo();
  return {
    ...node,
    ...state,
    load: round(load.load),
    externalLoad: round(load.externalLoad),
    busy: round(load.busy),
    cpus: round(load.cpus),
    memTotal: memory?.totalBytes ?? 0,
    memFree: memory?.availableBytes ?? 0,
    launchers: facts.filter((fact) => fact.usable).map((fact) => fact.name),
    lastSeen: queueClock.now(),
    pid: process.pid,
    clockOffsetMs: queueClock.offsetMs,
    account: { user: username, uid, gid },
    fileLimit: readOpenFileLimit()?.soft ?? 0,
  };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
