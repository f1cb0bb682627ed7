import { type BatchId, indexOf, ordinalOf } from '@omx/core';
import type { Shepherd } from '@omx/launch';
import { type JobStore, queueClock } from '@omx/queue';

import type { Attempt, Attempts } from './attempt.ts';
import type { BatchCache } from './batch-cache.ts';
import type { Rescuer } from './rescue.ts';

interface AdoptionOptions {
  readonly shepherd: Shepherd;
  readonly attempts: Attempts;
  readonly cache: BatchCache;
  readonly jobs: JobStore;
  readonly rescuer: Rescuer;
  readonly node: string;
}

/**
 * Takes over what an earlier worker of this node left: processes that still run go on in the same attempt, ends it could
 * not report will be reported, and what is recorded here but known to nobody is freed.
 */
export async function adopt(options: AdoptionOptions): Promise<void> {
  const { shepherd, attempts, rescuer, node } = options;
  const known = new Set<string>();
  const take = (attempt: Attempt): void => {
    known.add(`${attempt.batch} ${attempt.ordinal} ${attempt.number}`);
    attempts.add(attempt);
  };
  for (const { key, pid, startedAt, paused } of shepherd.hello.running) {
    const attempt = await recognise(key, options);
    // The queue has given the job to somebody else meanwhile.
    if (attempt === undefined) shepherd.end(key, 'fenced', 0);
    else take({ ...attempt, pid, startedAt: recordedStart(attempt) ?? queueClock.fromLocal(startedAt), paused });
  }
  for (const key of shepherd.hello.unreported) {
    const attempt = await recognise(key, options);
    if (attempt !== undefined) take(attempt);
  }
  await rescuer.freeJobsOf(
    node,
    (batch, ordinal, attempt) => known.has(`${batch} ${ordinal} ${attempt}`),
    `node ${node} was started again without them`,
    async () => true,
  );
}

/** Its start as it stands in the queue; the machine's clock may have been set since. */
function recordedStart({ snapshot }: Attempt): number | undefined {
  return 'startedAt' in snapshot.job ? snapshot.job.startedAt : undefined;
}

/** The attempt a key of the shepherd stands for, if the queue still says that this node holds it. */
async function recognise(key: string, { cache, jobs }: AdoptionOptions): Promise<Attempt | undefined> {
  const match = /^(b\d+)\.(\d+)#(\d+)$/.exec(key);
  const runtime = match === null ? undefined : await cache.get(match[1] as BatchId);
  if (match === null || runtime === undefined) return undefined;
  const { batch } = runtime;
  const ordinal = ordinalOf(batch.spec.jobs, Number(match[2]));
  const [snapshot] = ordinal === undefined ? [] : await jobs.read(batch, [ordinal]);
  if (ordinal === undefined || snapshot === undefined) return undefined;
  const { job } = snapshot;
  if (!('node' in job) || job.status === 'ended') return undefined;
  if (job.node !== runtime.nodeNumber || job.attempt !== Number(match[3])) return undefined;
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
