import type { Bytes, Usage } from '@omx/core';

/** What the shepherd is asked to start: one attempt of one job. */
export interface StartRequest {
  /** The attempt's key on this node, unique for the shepherd's life and journal: `b7.12#2`. */
  readonly key: string;
  readonly argv: readonly Bytes[];
  /**
   * The key of the job that it follows: it starts as soon as that is done, without a word from the worker, or at once where
   * that is done or not known. A job is followed by one other at most.
   */
  readonly after?: string | undefined;
  /** Digest of an environment sent before with `defineEnvironment`. */
  readonly environment: string;
  /** `NAME=VALUE` entries that replace or add to that environment. */
  readonly extraEnv: readonly Bytes[];
  readonly cwd: Bytes;
  readonly umask: number;
  /** Path opened read-only as standard input; `/dev/null` where the job has none. Relative paths start at `cwd`. */
  readonly stdin: Bytes;
  /** Absolute paths, created O_APPEND; the shepherd removes them when the end is acknowledged with `removeOutput`. */
  readonly stdout: Bytes;
  readonly stderr: Bytes;
  /** Wall-clock limit, milliseconds, kept by the shepherd itself so that it holds while no worker lives; 0 = none. */
  readonly timeMs: number;
  /** Between SIGTERM and SIGKILL when the limit is reached. */
  readonly graceMs: number;
  /** Bytes kept of each output file (the first ones); 0 = no limit. */
  readonly maxOutputBytes: number;
  /**
   * Sent to the main process alone before anything is killed: it is to kill the job by itself, so that all usage is counted,
   * and gets three seconds for that. Not where the lease is over. @defaultValue 0: it is killed like the others
   */
  readonly killSignal?: number | undefined;
}

/** Why omx ended a job; the first reason wins. `lease`: the shepherd itself did, because the node's lease had run out. */
export const endReasons = ['none', 'timeout', 'cancel', 'oom', 'requeue', 'fenced', 'lease'] as const;
export type EndReason = (typeof endReasons)[number];

export type ShepherdEvent = StartedEvent | RefusedEvent | EndedEvent;

export interface StartedEvent {
  readonly type: 'started';
  readonly key: string;
  readonly pid: number;
  /** Milliseconds since the epoch, with a fraction. */
  readonly startedAt: number;
}

/**
 * The program could not be started, or must not be for now (stage `lease`, see `Shepherd.lease`), or was ended while it waited for
 * another (`recalled`); nothing ran.
 */
export interface RefusedEvent {
  readonly type: 'refused';
  readonly key: string;
  readonly stage: 'cwd' | 'stdin' | 'output' | 'fork' | 'exec' | 'lease' | 'recalled';
  /** The symbolic errno, such as `ENOENT`. */
  readonly errno: string;
  readonly at: number;
}

export interface EndedEvent {
  readonly type: 'ended';
  readonly key: string;
  readonly pid: number;
  readonly startedAt: number;
  readonly endedAt: number;
  /** Exactly one of the two is set: the exit code, or the number of the signal. */
  readonly exitCode?: number | undefined;
  readonly signal?: number | undefined;
  readonly reason: EndReason;
  readonly usage: Usage;
  /** True where the kernel's out-of-memory killer acted on this machine while the job ran and the job died of SIGKILL. */
  readonly oomKilled: boolean;
  /**
   * Set where the shepherd itself died while the job ran and the next one killed what was left: how the job would have
   * ended is not known, `signal` is SIGKILL, `usage` is zero, and `pid` is 0 where it had not been noted.
   */
  readonly lost?: true | undefined;
  /** Sizes of the output files at the end, and whether `maxOutputBytes` cut them. */
  readonly outBytes: number;
  readonly errBytes: number;
  readonly truncated: boolean;
  /** The whole output where both files together are at most the shepherd's inline limit (64 KiB). */
  readonly output?: { readonly out: Buffer; readonly err: Buffer } | undefined;
}

/** A live job as a newly connected worker finds it. */
export interface RunningEntry {
  readonly key: string;
  readonly pid: number;
  readonly startedAt: number;
  /** By its user; a job that is only suspended for the lease is not. */
  readonly paused: boolean;
}
