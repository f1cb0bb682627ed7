import type { Bytes } from '../bytestring.ts';

/**
 * A batch as it travels: compiled (milliseconds, bytes, numbers; nothing left to parse) and compact.
 * Expansion is lazy: a range stays a range, long lists are stored beside the spec in blocks of items
 * and only their length is here.
 */
export interface BatchSpec {
  readonly name: string;
  /** The words of the command with their placeholders; empty when every job brings its own (`commands`). */
  readonly command: readonly Bytes[];
  /** Run `sh -c` on the words joined by blanks. */
  readonly shell: boolean;
  readonly jobs: JobSource;
  readonly launcher: LauncherChoice;
  /** Nodes the batch may run on; empty means any. */
  readonly nodes: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly cwd: Bytes;
  readonly umask: number;
  /** Digest of the captured environment (`NAME=VALUE` entries), which is stored once for all batches that share it. */
  readonly env: string;
  readonly stdin?: Bytes;
  readonly parse?: string;
  readonly after: readonly AfterRule[];
  readonly key?: string;
  readonly hold: boolean;
  readonly priority: number;
  readonly order: Order;
  /** At most so many jobs at once (`--array 1-1000%50`). */
  readonly throttle?: number;
  readonly maxFails?: { readonly count: number } | { readonly percent: number };
  /** Whether the balancer may move the jobs while they run. @defaultValue true */
  readonly balance: boolean;
  /** An image of each running job is kept away from its node, so often. Absent: never. */
  readonly checkpointMs?: number;
  /** A node may start more of the jobs than it has slots, and shares its processors among them. */
  readonly oversubscribe: boolean;
  /** Children that the jobs fork may run on other nodes. Experimental. */
  readonly forkMigrate: boolean;
  readonly limits: JobLimits;
}

/** The part of a spec that `rerun --set` may change for the jobs it runs again. */
export interface JobLimits {
  /** Slots a job takes. @defaultValue 1 */
  readonly cpus: number;
  readonly memBytes?: number;
  /** Wall-clock limit of one attempt. */
  readonly timeMs?: number;
  /** Between SIGTERM and SIGKILL. @defaultValue 10000 */
  readonly graceMs: number;
  readonly retries: number;
  readonly retryOn: RetryRule;
  readonly backoff: { readonly minMs: number; readonly maxMs: number };
  /** Bytes kept of each of stdout and stderr. */
  readonly maxOutputBytes?: number;
}

export const launcherChoices = ['auto', 'plain', 'mosrun', 'criu'] as const;
export type LauncherChoice = (typeof launcherChoices)[number];
export type LauncherName = Exclude<LauncherChoice, 'auto'>;

export const orders = ['index', 'reverse', 'random', 'longest'] as const;
export type Order = (typeof orders)[number];

/** Which ends of an attempt are tried again. `any` is everything but not-started, which must be asked for. */
export interface RetryRule {
  readonly any: boolean;
  /** Exit codes; `'all'` for `exit` without a list. */
  readonly exits: readonly number[] | 'all';
  readonly signal: boolean;
  readonly timeout: boolean;
  readonly oom: boolean;
  readonly notStarted: boolean;
}

/** `--after SEL[:ok|any|failed]`. */
export interface AfterRule {
  readonly selector: string;
  readonly on: 'ok' | 'any' | 'failed';
}

/**
 * Where a batch's jobs come from. A job is addressed by its **ordinal** 0…count-1; users see its **index**
 * (`indexOf`, `ordinalOf` in `expand.ts`): the array's own numbers, or 1…count for lists.
 */
export type JobSource =
  | { readonly kind: 'single' }
  | { readonly kind: 'array'; readonly ranges: readonly IndexRange[] }
  /** One value a job (`--each`), in item blocks. */
  | { readonly kind: 'list'; readonly count: number }
  /** The product of named lists, the last one fastest (`:::` names them `1`, `2`, …; `--param` by name). */
  | { readonly kind: 'product'; readonly axes: readonly Axis[] }
  /** One CSV row a job, in item blocks. */
  | { readonly kind: 'rows'; readonly columns: readonly string[]; readonly count: number }
  /** One command line a job, already split into words, in item blocks. */
  | { readonly kind: 'commands'; readonly count: number };

export interface IndexRange {
  readonly first: number;
  readonly last: number;
  readonly step: number;
}

export type Axis =
  | { readonly name: string; readonly values: readonly Bytes[] }
  | { readonly name: string; readonly range: IndexRange };

/** What one job's item block entry holds: the value, the row's cells, or the words of its own command. */
export type Item = readonly Bytes[];
