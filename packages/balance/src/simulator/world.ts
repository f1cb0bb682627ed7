import type { BalancedNode } from '../migration/snapshot.ts';
import type { Migration } from '../migration/decide.ts';
import type { MigrationPolicy } from '../migration/policy.ts';

export interface SimulatedNode {
  readonly name: string;
  /** @defaultValue 1 */
  readonly cpus?: number;
  /** @defaultValue 1 */
  readonly speed?: number;
  /** Bytes. @defaultValue 16 GiB */
  readonly memory?: number;
  /** Jobs it starts at a time; more wait. @defaultValue as many as there are */
  readonly slots?: number;
  /** What others want of it at that moment, in CPUs. @defaultValue nothing */
  readonly external?: (ms: number) => number;
  /** At that moment. @defaultValue up */
  readonly state?: (ms: number) => BalancedNode['state'];
  /** @defaultValue both */
  readonly role?: BalancedNode['role'];
}

export interface SimulatedJob {
  readonly id: string;
  /** CPU time it needs at speed 1, milliseconds. */
  readonly workMs: number;
  /** What it wants of the processors at a time. @defaultValue 1 */
  readonly cpus?: number;
  /** Bytes. @defaultValue 1 MiB */
  readonly rss?: number;
  /** When it is submitted, milliseconds. @defaultValue 0 */
  readonly at?: number;
  /** Where it starts. @defaultValue the node that has most to give */
  readonly node?: string;
  readonly immovable?: string;
  /** What the queue has learned of its length. @defaultValue nothing */
  readonly expectedCpuMs?: number;
}

export interface World {
  readonly nodes: readonly SimulatedNode[];
  readonly jobs: readonly SimulatedJob[];
  readonly seed: number;
  /** @defaultValue true */
  readonly isBalanced?: boolean;
  /** Once all jobs have begun, what those that ended took is expected of the others. @defaultValue false */
  readonly learns?: boolean;
  readonly policy?: Partial<MigrationPolicy>;
  /** When the simulation ends at the latest, milliseconds. @defaultValue a day */
  readonly untilMs?: number;
  /** Between two decisions, milliseconds. @defaultValue 1000 */
  readonly roundMs?: number;
  /** What a move takes as a multiple of what the policy believes. @defaultValue 1 */
  readonly costFactor?: number;
}

/** A migration, when it was decided. */
export interface SimulatedMove extends Migration {
  readonly at: number;
}

/** How it stands after a step. */
export interface Moment {
  readonly ms: number;
  readonly nodes: ReadonlyMap<string, NodeMoment>;
}

export interface NodeMoment {
  /** Jobs that run there. */
  readonly jobs: number;
  /** What they and others want, CPUs. */
  readonly wanted: number;
}

export interface SimulatedRun {
  /** When the last job ended, milliseconds; undefined where some had not. */
  readonly makespanMs?: number;
  readonly moves: readonly SimulatedMove[];
  /** When each job ended, milliseconds. */
  readonly ends: ReadonlyMap<string, number>;
}
