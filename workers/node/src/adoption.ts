import { existsSync } from 'node:fs';

import { attemptId, type BatchId, indexOf, type Job, type LauncherName, ordinalOf } from '@omx/core';
import type { Shepherd } from '@omx/launch';
import { type JobSnapshot, type JobStore, queueClock } from '@omx/queue';

import type { Attempt, Attempts } from './attempt.ts';
import type { BatchCache, BatchRuntime } from './batch-cache.ts';
import { readNote } from './capsule-jobs.ts';
import { type AttemptFiles, emptyTrash, foundJobFolders, jobFolder, removeJobFolder } from './job-folders.ts';
import type { FrozenJobs } from './moving/frozen-jobs.ts';
import type { Resumer, Starts } from './moving/resume-from-image.ts';
import type { Rescuer } from './rescue.ts';

interface AdoptionOptions {
  readonly shepherd: Pick<Shepherd, 'hello' | 'end'>;
  readonly attempts: Attempts;
  readonly cache: BatchCache;
  readonly jobs: JobStore;
  readonly rescuer: Pick<Rescuer, 'freeJobsOf'>;
  readonly executor: Starts;
  readonly resumer: Pick<Resumer, 'adopt' | 'removeOthers'>;
  readonly frozen: Pick<FrozenJobs, 'adopt' | 'adoptRunning' | 'keys' | 'remove'>;
  readonly node: string;
  readonly nodeDir: string;
}

/**
 * Takes over what an earlier worker of this node left: processes that still run go on in the same attempt, ends it could
 * not report will be reported, and what is recorded here but known to nobody is freed.
 * @returns ended attempts that it had reported, and whose output is on this node
 */
export async function adopt(options: AdoptionOptions): Promise<Set<string>> {
  const { shepherd, attempts, executor, rescuer, resumer, frozen, node, nodeDir } = options;
  for (const { key, pid, startedAt, paused } of shepherd.hello.running) {
    // Whoever brings moves to an end has it.
    if (attempts.get(key) !== undefined) continue;
    const found = await find(key, options);
    const attempt = found === undefined ? undefined : ownAttempt(found, nodeDir);
    // The queue has given the job to somebody else meanwhile.
    if (attempt === undefined) {
      shepherd.end(key, 'fenced', 0);
      continue;
    }
    Object.assign(attempt, {
      ...{ pid, paused },
      startedAt: recordedStart(attempt) ?? queueClock.fromLocal(startedAt),
    });
    await resumer.adopt(attempt, executor);
    frozen.adoptRunning(attempt);
    attempts.add(attempt);
  }
  const outputKept = new Set<string>();
  for (const key of shepherd.hello.unreported) {
    if (attempts.get(key) !== undefined) continue;
    const found = await find(key, options);
    const attempt = found === undefined ? undefined : ownAttempt(found, nodeDir);
    if (attempt !== undefined) {
      if (!frozen.adopt(attempt)) await resumer.adopt(attempt, executor);
      attempts.add(attempt);
    } else if (found !== undefined && (await hasOutputHere(found, options.jobs))) outputKept.add(key);
  }
  // Of these the shepherd knows nothing; the machine may have been started again meanwhile.
  for (const key of frozen.keys()) {
    if (attempts.get(key) !== undefined) continue;
    const found = await find(key, options);
    const attempt = found === undefined ? undefined : ownAttempt(found, nodeDir);
    if (attempt !== undefined && frozen.adopt(attempt)) attempts.add(attempt);
    else frozen.remove(key);
  }
  resumer.removeOthers(attempts);
  const known = new Set([...attempts.all()].map(({ batch, ordinal, number }) => `${batch} ${ordinal} ${number}`));
  await rescuer.freeJobsOf(
    node,
    (batch, ordinal, { attempt }) => known.has(`${batch} ${ordinal} ${attempt}`),
    `node ${node} was started again without them`,
    async () => true,
  );
  await removeFolders(options);
  return outputKept;
}

/** Of attempts in capsules that are over here, which an earlier worker had no time to clear away. */
async function removeFolders(options: AdoptionOptions): Promise<void> {
  const { attempts, jobs, nodeDir } = options;
  emptyTrash(nodeDir);
  for (const files of foundJobFolders(nodeDir)) {
    const key = attemptId(files.batch, files.index, files.number);
    if (attempts.get(key) !== undefined) continue;
    const found = await find(key, options);
    // It may be frozen.
    if (found !== undefined && ownAttempt(found, nodeDir) !== undefined) continue;
    removeJobFolder(nodeDir, files, { keepOutput: found !== undefined && (await hasOutputHere(found, jobs)) });
  }
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
function ownAttempt({ key, runtime, ordinal, number, snapshot }: Found, nodeDir: string): Attempt | undefined {
  const { batch } = runtime;
  const { job } = snapshot;
  if (!('node' in job) || job.status === 'ended') return undefined;
  if (job.node !== runtime.nodeNumber || job.attempt !== number) return undefined;
  const { limits } = runtime.specOf(ordinal);
  const files = { batch: batch.id, index: indexOf(batch.spec.jobs, ordinal), number: job.attempt };
  return {
    key,
    ordinal,
    ...files,
    slots: limits.cpus,
    snapshot,
    phase: 'running',
    launcher: launcherOf(job, nodeDir, files),
    paused: job.status === 'paused',
    ...(readNote(nodeDir, files) === undefined ? {} : { isCopy: true }),
    ...(job.wish === 'cancel' ? { cancelledBy: 'user' as const } : {}),
    ...(limits.memBytes === undefined ? {} : { memBytes: limits.memBytes }),
  };
}

/** Its folder knows before the record does. */
function launcherOf(job: Job, nodeDir: string, files: AttemptFiles): LauncherName {
  if ('launcher' in job && job.launcher !== undefined) return job.launcher;
  return existsSync(jobFolder(nodeDir, files)) ? 'criu' : 'plain';
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
