import type { Batch, BatchId, JobStatus } from '@omx/core';
import { blockJobs, type JobSnapshot, type JobStore } from '@omx/queue';

/** Blocks of records read at a look, at most: enough for 10,000 jobs that do not wait any more. */
const blocksALook = 20;

const waits: ReadonlySet<JobStatus['status']> = new Set(['queued', 'held', 'leased']);

/** The first waiting jobs of a batch. Where those before them have ended is remembered, and not read again. */
export class WaitingJobs {
  readonly #jobs: JobStore;
  readonly #from = new Map<BatchId, number>();

  constructor(jobs: JobStore) {
    this.#jobs = jobs;
  }

  /** @param running jobs that are known to run, whatever their records say yet */
  async find(batch: Batch, wanted: number, running: ReadonlySet<number>): Promise<JobSnapshot[]> {
    const from = this.#from.get(batch.id) ?? 0;
    const last = Math.min(batch.total, from + blocksALook * blockJobs) - 1;
    const found: JobSnapshot[] = [];
    for await (const snapshots of this.#jobs.scan(batch, [{ first: from, last }])) {
      found.push(...snapshots.filter(({ job, ordinal }) => waits.has(job.status) && !running.has(ordinal)));
      if (found.length >= wanted) break;
    }
    const [first] = found;
    // Found nothing up to the end: a retry may wait before where this look began.
    const next = last + 1 >= batch.total ? 0 : last + 1;
    this.#from.set(batch.id, first === undefined ? next : first.ordinal - (first.ordinal % blockJobs));
    return found.slice(0, wanted);
  }
}
