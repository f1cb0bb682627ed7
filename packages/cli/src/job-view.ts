import { type Batch, type Bytes, indexOf, type Job, jobId, jsonOf, stateName } from '@omx/core';
import type { JobSnapshot } from '@omx/queue';

import { signalName } from './render/signals.ts';
import { isoTime, secondsOfMs, secondsOfUs } from './render/times.ts';

/** A job as `jobs --json` shows it: what is not known, or not so yet, is null. */
export interface JobView {
  readonly id: string;
  readonly index: number;
  readonly state: string;
  readonly outcome: string | null;
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly attempt: number;
  readonly node: string | null;
  readonly launcher: string | null;
  readonly queuedAt: string | null;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  /** Seconds; of a running job until now. */
  readonly real: number | null;
  readonly user: number | null;
  readonly sys: number | null;
  /** Bytes. */
  readonly maxRss: number | null;
  readonly migrations: number;
  readonly argv: readonly (string | { readonly base64: string })[];
}

/** @param nodeNames of the batch, by the number in its records */
export function jobView(
  batch: Pick<Batch, 'id' | 'spec'>,
  { job, ordinal }: Pick<JobSnapshot, 'job' | 'ordinal'>,
  nodeNames: ReadonlyMap<number, string>,
  argv: readonly Bytes[],
  now: number,
): JobView {
  const index = indexOf(batch.spec.jobs, ordinal);
  const startedAt = 'startedAt' in job ? job.startedAt : undefined;
  const node = 'node' in job && job.node !== undefined ? nodeNames.get(job.node) : undefined;
  return {
    id: jobId(batch.id, index),
    index,
    state: stateName(job),
    ...outcomeFields(job),
    attempt: job.attempt,
    node: node ?? null,
    launcher: 'launcher' in job ? (job.launcher ?? null) : null,
    queuedAt: isoTime(job.queuedAt),
    startedAt: isoTime(startedAt),
    endedAt: isoTime(job.status === 'ended' ? job.endedAt : undefined),
    real:
      startedAt === undefined
        ? null
        : secondsOfMs(Math.max(0, (job.status === 'ended' ? job.endedAt : now) - startedAt)),
    ...usageFields(job, startedAt !== undefined),
    migrations: job.moves,
    argv: argv.map(jsonOf),
  };
}

function outcomeFields(job: Job): Pick<JobView, 'outcome' | 'exitCode' | 'signal'> {
  if (job.status !== 'ended') return { outcome: null, exitCode: null, signal: null };
  const { outcome } = job;
  let exitCode: number | null = null;
  if (outcome.kind === 'succeeded') exitCode = 0;
  else if (outcome.kind === 'exited') exitCode = outcome.code;
  return { outcome: outcome.kind, exitCode, signal: outcome.kind === 'signalled' ? signalName(outcome.signal) : null };
}

/** The kernel's account comes with the end; of a process that died with its node there is none. */
function usageFields(job: Job, started: boolean): Pick<JobView, 'user' | 'sys' | 'maxRss'> {
  if (job.status !== 'ended' || !started || job.outcome.kind === 'lost') return { user: null, sys: null, maxRss: null };
  const { userUs, sysUs, maxRssKib } = job.usage;
  return { user: secondsOfUs(userUs), sys: secondsOfUs(sysUs), maxRss: maxRssKib * 1024 };
}
