import type { Batch } from '@omx/core';
import type { JobSnapshot, JobStore, StoredJob } from '@omx/queue';

/** The two streams of a process, by the names the queue uses for them. */
export const streamNames = ['out', 'err'] as const;
export type StreamName = (typeof streamNames)[number];

/** Where the output of one attempt is to be had. */
export interface AttemptOutput {
  readonly ordinal: number;
  readonly attempt: number;
  /** Number in the batch's node table. */
  readonly node: number | undefined;
  /** `live`: the process is still there and the node that runs it has what it wrote so far. */
  readonly place: 'none' | 'queue' | 'node' | 'live';
  /** Sizes; zero while the attempt is live. */
  readonly bytes: Readonly<Record<StreamName, number>>;
  readonly pack: number | undefined;
}

/** The output of the attempt a record is about; undefined where that attempt has not begun. */
export function outputOf(ordinal: number, { job, pack }: StoredJob): AttemptOutput | undefined {
  switch (job.status) {
    case 'queued':
    case 'held':
    case 'leased':
      return undefined;
    case 'running':
    case 'paused':
    case 'frozen':
      return {
        ordinal,
        attempt: job.attempt,
        node: job.node,
        place: 'live',
        bytes: { out: 0, err: 0 },
        pack: undefined,
      };
    case 'ended': {
      // Cancelled while it waited: the newest attempt is an earlier one, kept in the history.
      if (job.node === undefined) return undefined;
      const { place, outBytes, errBytes } = job.output;
      return { ordinal, attempt: job.attempt, node: job.node, place, bytes: { out: outBytes, err: errBytes }, pack };
    }
  }
}

/** Output of the newest attempt of a job that has begun, which for a job waiting for a retry is the failed one. */
export async function newestOutput(
  jobs: JobStore,
  batch: Batch,
  snapshot: JobSnapshot,
): Promise<AttemptOutput | undefined> {
  const current = outputOf(snapshot.ordinal, snapshot);
  if (current !== undefined || snapshot.job.attempt === 0) return current;
  const earlier = await jobs.history(batch, snapshot.ordinal, snapshot.job.attempt + 1);
  const newest = earlier.at(-1);
  return newest === undefined ? undefined : outputOf(snapshot.ordinal, newest);
}

/** How many of a job's attempts are over for good: their output grows no more. */
export function attemptsOver({ job }: StoredJob): number {
  switch (job.status) {
    case 'queued':
    case 'held':
    case 'ended':
      return job.attempt;
    case 'leased':
    case 'running':
    case 'paused':
    case 'frozen':
      return job.attempt - 1;
  }
}
