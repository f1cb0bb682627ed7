import type { Batch } from '@omx/core';
import { hasFailed } from '@omx/core';
import { blockJobs, type JobSnapshot, type JobStore } from '@omx/queue';

import { type Failure, streakLength } from './streak.ts';

/** How likely the failures of a node may be by chance before it is blamed for them. */
const chance = 0.001;
/** Records are read in blocks; so many tell enough. */
const mostBlocks = 8;
/** So many jobs tell whether what failed here fails elsewhere, too. */
const sampleSize = 50;
const enoughRetried = 5;

/** How the jobs of one batch fare here and on other nodes, in the same time. */
export interface Evidence {
  readonly failedHere: number;
  readonly succeededElsewhere: number;
  readonly failedElsewhere: number;
}

/**
 * Whether so many failures in a row are the node's and not the batch's. A job fails elsewhere with probability
 * (failed + 1) / (all + 2), by Laplace's rule of succession; the node is to blame where as many failures in a row as it
 * had would at that rate hardly ever happen. Where nothing succeeds elsewhere, nothing is known.
 */
export function blamesNode({ failedHere, succeededElsewhere, failedElsewhere }: Evidence): boolean {
  if (failedHere < streakLength || succeededElsewhere === 0) return false;
  const rate = (failedElsewhere + 1) / (succeededElsewhere + failedElsewhere + 2);
  return rate ** failedHere < chance;
}

/** Looks at the records around the jobs that failed here for how others fared with them since `since`. */
export async function compare(
  jobs: JobStore,
  batch: Batch,
  options: { readonly others: ReadonlySet<number>; readonly failures: readonly Failure[]; readonly since: number },
): Promise<Evidence> {
  const { others, failures, since } = options;
  const own = new Map<number, number>();
  for (const { ordinal, retried } of failures) own.set(ordinal, (own.get(ordinal) ?? 0) + (retried ? 1 : 0));
  let succeededElsewhere = 0;
  let failedElsewhere = 0;
  const count = ({ job, ordinal }: JobSnapshot): void => {
    failedElsewhere += Math.max(0, job.retries - (own.get(ordinal) ?? 0));
    if (job.status !== 'ended' || job.node === undefined || !others.has(job.node) || job.endedAt < since) return;
    if (job.outcome.kind === 'succeeded') succeededElsewhere += 1;
    else if (hasFailed(job)) failedElsewhere += 1;
  };
  for await (const snapshots of jobs.scan(batch, blocksAround(batch, failures)))
    for (const each of snapshots) count(each);
  return { failedHere: failures.length, succeededElsewhere, failedElsewhere };
}

/** The blocks with the newest failures, and their neighbours. */
function blocksAround(batch: Batch, failures: readonly Failure[]): { first: number; last: number }[] {
  const blocks = new Set<number>();
  const newest = new Set(
    failures
      .slice(-1000)
      .toReversed()
      .map(({ ordinal }) => Math.floor(ordinal / blockJobs)),
  );
  for (const distance of [0, 1, -1]) for (const block of newest) blocks.add(block + distance);
  return [...blocks]
    .filter((block) => block >= 0 && block * blockJobs < batch.total)
    .slice(0, mostBlocks)
    .map((block) => ({ first: block * blockJobs, last: Math.min(batch.total, (block + 1) * blockJobs) - 1 }));
}

/** A job that failed here and was given to others, as it was then. */
interface Sample {
  readonly ordinal: number;
  readonly attempt: number;
  readonly retries: number;
}

/** Jobs that failed here and were given to others: whether they fare better there decides whose fault it was. */
export class Trial {
  readonly batch: Batch;
  readonly #samples: ReadonlyMap<number, Sample>;

  private constructor(batch: Batch, samples: readonly Sample[]) {
    this.batch = batch;
    this.#samples = new Map(samples.map((sample) => [sample.ordinal, sample]));
  }

  static async begin(jobs: JobStore, batch: Batch, excused: ReadonlyMap<number, number>): Promise<Trial> {
    const some = [...excused].slice(0, sampleSize);
    const now = await jobs.read(
      batch,
      some.map(([ordinal]) => ordinal),
    );
    return new Trial(
      batch,
      now.map(({ ordinal, job }) => ({ ordinal, attempt: excused.get(ordinal) ?? 0, retries: job.retries })),
    );
  }

  /** `node`: they are well elsewhere; `jobs`: they fail there as well; undefined: not known yet. */
  async verdict(jobs: JobStore): Promise<'node' | 'jobs' | undefined> {
    let well = 0;
    let badly = 0;
    for (const { ordinal, job } of await jobs.read(this.batch, [...this.#samples.keys()])) {
      const sample = this.#samples.get(ordinal);
      if (sample === undefined || job.attempt <= sample.attempt) continue;
      if (job.retries > sample.retries || hasFailed(job)) badly += 1;
      else if (job.status === 'ended' && job.outcome.kind === 'succeeded') well += 1;
    }
    if (well + badly === 0 || well + badly < Math.min(enoughRetried, this.#samples.size)) return undefined;
    return badly >= well ? 'jobs' : 'node';
  }
}
