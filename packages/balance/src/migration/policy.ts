/** What the decisions weigh. The defaults are meant for all; tests and the simulator change some. */
export interface MigrationPolicy {
  /** A job must run this many times as fast on the other node, the time it stands still included. */
  readonly clearGain: number;
  /** The job's own load counts so many times on the other node: MOSIX's factor, which keeps two nodes from swapping jobs. */
  readonly stability: number;
  /** Younger jobs, and those with less than this to go, are not moved, milliseconds: most that are young end soon. */
  readonly leastMs: number;
  /** So long after a move, done or tried, a job is not moved again, milliseconds. */
  readonly jobRestMs: number;
  /** So long after a move from one node to another none goes the other way, milliseconds. */
  readonly pairRestMs: number;
  /** Both rests are only so long for a job that gets processors that are idle: loads have changed since, nothing swaps. */
  readonly idleRestMs: number;
  /** A move that has not happened after so long is given up, milliseconds. */
  readonly pendingMs: number;
  /** With less than this part of its memory free a node sends a job away. */
  readonly scarceMemory: number;
  /** What a node that takes a job has free afterwards, as a part of its memory; more than `scarceMemory`. */
  readonly ampleMemory: number;
  /** A job that wants less of the processors is not moved because of them, CPUs. */
  readonly leastCpus: number;
  /** Nodes on which a job would run this much slower than on the best are as good as it, and one of them is drawn. */
  readonly nearEqual: number;
  /** Decisions of one round. */
  readonly mostMoves: number;
  /** Moves a node may take part in at a time. */
  readonly mostMovesOfNode: number;
  /** A move takes this long however small the job is, milliseconds. */
  readonly moveMs: number;
  /** What a move carries over a millisecond, bytes. */
  readonly moveBytesAMs: number;
}

/**
 * `clearGain` and `stability` are MOSIX's 130 %. `moveMs` and `moveBytesAMs` are what CRIU takes for a stop-and-copy over a
 * network: some 0.1 s for a small job, 5 s for one of a gigabyte; both with a margin.
 */
export const defaultMigrationPolicy: MigrationPolicy = {
  clearGain: 1.3,
  stability: 1.3,
  leastMs: 3000,
  jobRestMs: 30_000,
  idleRestMs: 5000,
  pairRestMs: 10_000,
  pendingMs: 60_000,
  scarceMemory: 0.08,
  ampleMemory: 0.16,
  leastCpus: 0.2,
  nearEqual: 0.05,
  mostMoves: 32,
  mostMovesOfNode: 4,
  moveMs: 300,
  moveBytesAMs: 200_000,
};

/** How long a job of that memory stands still when it is moved, milliseconds: an estimate on the safe side. */
export function moveTime(rss: number, { moveMs, moveBytesAMs }: MigrationPolicy): number {
  return moveMs + rss / moveBytesAMs;
}
