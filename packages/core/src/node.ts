import type { LauncherName } from './spec/spec.ts';

/** A machine with a worker, as it last described itself. */
export interface NodeInfo {
  readonly name: string;
  readonly role: NodeRole;
  readonly state: NodeState;
  /** Why the state is not `up`; empty where there is nothing to say. */
  readonly reason: string;
  /** Slots it offers now: with `--slots auto` fewer while others keep the machine busy. */
  readonly slots: number;
  /** Slots it offers when nothing else runs there; more can never be asked of it. */
  readonly maxSlots: number;
  readonly running: number;
  /** Work that wants to run on the machine, in CPUs: omx's and everybody else's. */
  readonly load: number;
  /** The part of the load that is not omx's. */
  readonly externalLoad: number;
  /** CPU time in use, in CPUs: at most `cpus`. */
  readonly busy: number;
  readonly cpus: number;
  /** Of one CPU, in steps of a fixed loop a microsecond; only good for comparing nodes. */
  readonly speed: number;
  /** Of its processor, as Node.js calls it: `x64`, `arm64`. Jobs move between equal ones only. */
  readonly arch: string;
  readonly memTotal: number;
  readonly memFree: number;
  readonly launchers: readonly LauncherName[];
  /** Such as it is still trying out: in a moment they are among its launchers, or not at all. Absent: none. */
  readonly trying?: readonly LauncherName[];
  readonly labels: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch, by the queue's clock. */
  readonly lastSeen: number;
  /** Tells it, over restarts of its worker, from another node of the same name. */
  readonly identity: string;
  readonly pid: number;
  readonly shepherdPid: number;
  readonly version: string;
  /** How long it may be out of touch before others take its jobs, milliseconds. */
  readonly leaseMs: number;
  readonly onLost: OnLost;
  /** Boot and namespaces: nodes of one place can see and end each other's processes. */
  readonly place: string;
  /** Its clock minus the queue's, milliseconds. */
  readonly clockOffsetMs: number;
  readonly account: NodeAccount;
  /** How many files a process may hold open there. */
  readonly fileLimit: number;
  /** Where other nodes reach its worker, for the images of jobs that move: a host name or an IP address. */
  readonly address: string;
  /** The openMosix map it was started with, if any. */
  readonly map?: NodeMap;
}

/** Who the worker and its jobs are on the node. */
export interface NodeAccount {
  readonly user: string;
  readonly uid: number;
  readonly gid: number;
}

export interface NodeMap {
  readonly path: string;
  readonly digest: string;
}

export const nodeRoles = ['both', 'home', 'guest'] as const;
export type NodeRole = (typeof nodeRoles)[number];
export type NodeState = 'up' | 'draining' | 'drained' | 'quarantined' | 'down';

/** The `reason` of a node that is down because its worker was told to leave: it has nothing left to lose. */
export const leftReason = 'left';

/**
 * What becomes of a node's running jobs when it cannot renew its lease: they are paused until it is back, ended, or
 * left to finish, and then nobody else takes them until a person says that the node is gone.
 */
export const onLostChoices = ['pause', 'stop', 'finish'] as const;
export type OnLost = (typeof onLostChoices)[number];

/** How long a node may be out of touch, unless it says otherwise. */
export const defaultLeaseMs = 10_000;
