import type { BatchId } from '@omx/core';
import type { JobSnapshot } from '@omx/queue';

/** A job that runs or waits, as `omx top` shows it. */
export interface TopRow {
  /** `b7.3`. */
  readonly id: string;
  readonly batch: BatchId;
  readonly snapshot: JobSnapshot;
  readonly node: string | null;
  readonly state: string;
  /** Percent of one CPU lately; at the first look, since the job began. Null where its node does not say. */
  readonly cpu: number | null;
  /** Bytes. */
  readonly rss: number | null;
  /** Seconds since it began; null while it waits. */
  readonly seconds: number | null;
  readonly migrations: number;
  /** How many of its children run as copies on which other nodes; `cpu` and `rss` have them, too. */
  readonly children: Readonly<Record<string, number>>;
  readonly command: string;
}

/** What `omx top` reads at a time. */
export interface TopSnapshot {
  readonly running: readonly TopRow[];
  /** The first jobs that wait, where they were asked for. */
  readonly waiting: readonly TopRow[];
  readonly counts: {
    readonly running: number;
    readonly queued: number;
    readonly held: number;
    readonly batches: number;
  };
  /** Nodes that are up and did not say what their jobs use. */
  readonly silent: readonly string[];
}
