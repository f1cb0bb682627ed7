import type { Bytes, LauncherName } from '@omx/core';

/**
 * How a job is started, and who may move it afterwards. `plan` is pure; the shepherd carries the plan out, so every
 * launcher shares one way of starting, measuring and ending processes. What a launcher reads from the machine
 * afterwards (`whereabouts`) goes through injectable roots.
 */
export interface Launcher {
  readonly name: LauncherName;
  /** Who migrates a job started this way, as `omx why` says it: nobody, the kernel, or omx; and why. */
  readonly footing: string;
  plan(request: LaunchRequest): LaunchPlan;
  /** Where the process is now and how often it has moved. Never throws: what cannot be read is undefined. */
  whereabouts(pid: number): Promise<Whereabouts>;
}

export interface LaunchRequest {
  readonly argv: readonly Bytes[];
  /** The job's working folder and PATH, with which a launcher finds the program file to look at it beforehand. */
  readonly cwd?: Bytes | undefined;
  readonly path?: Bytes | undefined;
  /** Opened as standard input; absent: /dev/null. */
  readonly stdin?: Bytes | undefined;
  /** The attempt's own folder on this node, absolute, for a launcher that needs one (criu). */
  readonly folder?: string | undefined;
  /** Declared memory need, bytes. */
  readonly memBytes?: number | undefined;
  /** Groups the processes of one attempt for launchers that can address a group. */
  readonly groupId?: number;
  /** Placement asked of the launcher itself. @defaultValue 'balanced' */
  readonly placement?: Placement;
}

/** Where the launcher's own cluster shall start a job; omx's default leaves it to the cluster. */
export type Placement =
  | { readonly kind: 'balanced' }
  | { readonly kind: 'io' }
  | { readonly kind: 'home' }
  | { readonly kind: 'start-at'; readonly node: string }
  | { readonly kind: 'pinned'; readonly node: string }
  | { readonly kind: 'one-of'; readonly nodes: readonly number[] };

export interface LaunchPlan {
  readonly argv: readonly Bytes[];
  /** `NAME=VALUE` entries added to the job's environment. */
  readonly env: readonly Bytes[];
  /** The signal that kills such a job; absent: SIGKILL. */
  readonly killSignal?: number;
  /** What is known before the start to keep the job from moving, in the words of `omx why`. */
  readonly cannotMove: readonly string[];
}

export interface Whereabouts {
  /** The cluster's name for the node the process runs on; undefined: at home or not known. */
  readonly node?: string;
  /** Undefined where the launcher's cluster keeps no count. */
  readonly migrations?: number;
  /** The kernel's reasons why the process cannot move now. */
  readonly cannotMove: readonly string[];
}
