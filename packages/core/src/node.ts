import type { LauncherName } from './spec/spec.ts';

/** A machine with a worker, as it last described itself. */
export interface NodeInfo {
  readonly name: string;
  readonly role: NodeRole;
  readonly state: NodeState;
  readonly slots: number;
  readonly running: number;
  /** Runnable work on the machine, in busy CPUs. */
  readonly load: number;
  /** The part of the load that is not omx's. */
  readonly externalLoad: number;
  readonly cpus: number;
  readonly memTotal: number;
  readonly memFree: number;
  readonly launchers: readonly LauncherName[];
  readonly labels: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch. */
  readonly lastSeen: number;
  readonly pid: number;
  readonly version: string;
}

export const nodeRoles = ['both', 'home', 'guest'] as const;
export type NodeRole = (typeof nodeRoles)[number];
export type NodeState = 'up' | 'draining' | 'drained' | 'down' | 'paused';

/** A node that has not been heard of for so long is down, and others may take its jobs. */
export const nodeLeaseMs = 12_000;
