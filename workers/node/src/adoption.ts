import { type BatchId, indexOf, ordinalOf } from '@omx/core';
import type { Shepherd } from '@omx/launch';
import { type JobSnapshot, type JobStore, queueClock } from '@omx/queue';

import type { Attempt, Attempts } from './attempt.ts';
import type { BatchCache, BatchRuntime } from './batch-cache.ts';
import type { Rescuer } from './rescue.ts';

interface AdoptionOptions {
  readonly shepherd: Pick<Shepherd, 'hello' | 'end'>;
  readonly attempts: Attempts;
  readonly cache: BatchCache;
  readonly jobs: JobStore;
  readonly rescuer: Pick<Rescuer, 'freeJobsOf'>;
  readonly node: string;
}

/**
 * Takes over what an earlier worker of this node left: processes that still run go on in the same attempt, ends it could
 * not report will be reported, and what is recorded here but known to nobody is freed.
 * @returns ended attempts that it had reported, and whose output is on this node
 */
export async function adopt(options: AdoptionOptions): Promise<Set<string>> {
  const { shepherd, attempts, rescuer, node } = options;
  const known = new Set<string>();
  const take = (attempt: Attempt): void => {
    known.add(`${attempt.batch} ${attempt.ordinal} ${attempt.number}`);
    attempts.add(attempt);
  };
  for (const { key, pid, startedAt, paused } of shepherd.hello.running) {
    const found = await find(key, options);
    const attempt = found === undefined ? undefined : ownAttempt(found);
    // The queue has given the job to somebody else meanwhile.
    if (attempt === undefined) shepherd.end(key, 'fenced', 0);
    else take({ ...attempt, pid, startedAt: recordedStart(attempt) ?? queueClock.fromLocal(startedAt), paused });
  }
  const outputKept = new Set<string>();
  for (const key of shepherd.hello.unreported) {
    const found = await find(key, options);
    const attempt = found === undefined ? undefined : ownAttempt(found);
    if (attempt !== undefined) take(attempt);
    else if (found !== undefined && (await hasOutputHere(found, options.jobs))) outputKept.add(key);
  }
  await rescuer.freeJobsOf(
    node,
    (batch, ordinal, attempt) => known.has(`${batch} ${ordinal} ${attempt}`),
    `node ${node} was started again without them`,
    async () => true,
  );
  return outputKept;
}

/** Its start as it stands in the queue; the machine's clock may have been set since. */
function recordedStart({ snapshot }: Attempt): number | undefined {
  return 'startedAt' in snapshot.job ? snapshot.job.startedAt : undefined;
}

/** What a key of the shepherd stands for, and the job's record as it is now. */
interface Found {
  readonly key: string;
  readonly runtime: BatchRuntime;
  readonly ordinal: number;
  readonly number: number;
  readonly snapshot: JobSnapshot;
}

async function find(key: string, { cache, jobs }: AdoptionOptions): Promise<Found | undefined> {
  const match = /^(b\d+)\.(\d+)#(\d+)$/.exec(key);
  const runtime = match === null ? undefined : await cache.get(match[1] as BatchId);
  if (match === null || runtime === undefined) return undefined;
  const ordinal = ordinalOf(runtime.batch.spec.jobs, Number(match[2]));
  const [snapshot] = ordinal === undefined ? [] : await jobs.read(runtime.batch, [ordinal]);
  if (ordinal === undefined || snapshot === undefined) return undefined;
  return { key, runtime, ordinal, number: Number(match[3]), snapshot };
}

/** The attempt, if the queue still says that this node holds it. */
function ownAttempt({ key, runtime, ordinal, number, snapshot }: Found): Attempt | undefined {
  const { batch } = runtime;
  const { job } = snapshot;
  if (!('node' in job) || job.status === 'ended') return undefined;
  if (job.node !== runtime.nodeNumber || job.attempt !== number) return undefined;
  const { limits } = runtime.specOf(ordinal);
  return {
    key,
    batch: batch.id,
    ordinal,
    index: indexOf(batch.spec.jobs, ordinal),
    number: job.attempt,
    slots: limits.cpus,
    snapshot,
    phase: 'running',
    launcher: 'launcher' in job && job.launcher !== undefined ? job.launcher : 'plain',
    paused: job.status === 'paused',
    ...(job.wish === 'cancel' ? { cancelledBy: 'user' as const } : {}),
    ...(limits.memBytes === undefined ? {} : { memBytes: limits.memBytes }),
  };
}

/** Whether the attempt's end is on record, and its output nowhere else. */
async function hasOutputHere({ runtime, ordinal, number, snapshot }: Found, jobs: JobStore): Promise<boolean> {
  const { batch, nodeNumber } = runtime;
  const attempts = [snapshot, ...(await jobs.history(batch, ordinal, snapshot.job.attempt + 1))];
  return attempts.some(
    ({ job }) =>
      job.attempt === number && job.status === 'ended' && job.node === nodeNumber && job.output.place === 'node',
  );
}
