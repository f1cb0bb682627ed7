import type { NodeRole, NodeState } from '@omx/core';

/** All nodes and all running jobs at one moment, as far as the decision needs to know them. */
export interface Snapshot {
  readonly nodes: readonly BalancedNode[];
  /** Every job that runs, movable or not: those of a node and its external load are its load. */
  readonly jobs: readonly BalancedJob[];
}

/** The fields of `NodeInfo` that matter here, with their meanings. */
export interface BalancedNode {
  readonly name: string;
  readonly state: NodeState;
  readonly role: NodeRole;
  /** May be a fraction. */
  readonly cpus: number;
  /** Of one CPU, in any unit that is the same for all nodes; above 0. */
  readonly speed: number;
  /** What others than omx want of the node, in CPUs; it should rise at once, as the load meter's does. */
  readonly externalLoad: number;
  /** Bytes. */
  readonly memTotal: number;
  /** Bytes that could be given out without paging. */
  readonly memFree: number;
  /** Slots that no job takes; below 0 where jobs share them. None given: they do not matter. */
  readonly freeSlots?: number;
}

export interface BalancedJob {
  /** As `b7.3`. */
  readonly id: string;
  /** The node on which it runs. Of a job that is being moved: the one it leaves, until the other has thawed it. */
  readonly node: string;
  /**
   * What it wants of the processors, in CPUs: what it used and what its threads waited for, over some seconds, so that
   * one that reads a file now and then does not look idle. 1 for a job that has just begun.
   */
  readonly cpus: number;
  /** Memory of its whole tree that has to travel, bytes. */
  readonly rss: number;
  /** Since its start, milliseconds; time in which it was frozen does not count. */
  readonly ageMs: number;
  /** CPU time it has used so far, milliseconds, on all nodes. Needed where `expectedCpuMs` is given. */
  readonly cpuMs?: number;
  /**
   * CPU time of its whole life, as learned from the jobs of its batch that have ended, milliseconds. Only where none waits
   * for its start any more: who ends early would have that one.
   */
  readonly expectedCpuMs?: number;
  /** Milliseconds on the clock that is given to `decide` as `now`. */
  readonly lastMovedAt?: number;
  /** Slots that must be free where it goes. None given: none, as it shares them (`--oversubscribe`). */
  readonly slots?: number;
  /** How often it has been moved. */
  readonly moves: number;
  /** Why it cannot be moved, or is not to be (`--balance off`, the launcher, an open socket); none: it can. */
  readonly immovable?: string;
  /**
   * The nodes its placement allows and that can thaw it (launcher, architecture, CPU features); none given: all. Jobs of
   * a batch should share one set.
   */
  readonly places?: ReadonlySet<string>;
}
