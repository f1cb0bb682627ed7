import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Job } from '@omx/core';
import type { Receiving } from '@omx/launch';
import type { AttemptName, JobSnapshot } from '@omx/queue';

import type { Attempt } from '../attempt.ts';
import type { BatchRuntime } from '../batch-cache.ts';
import type { WaitingCopy } from './thaw-attempt.ts';

/** Something that is on its way to this node. */
export interface Arrival {
  readonly name: AttemptName;
  readonly from: string;
  readonly runtime: BatchRuntime;
  readonly dir: string;
  /** Holds the slot; absent for an image that is only kept. */
  readonly attempt?: Attempt;
  reception?: Receiving;
  /** Of the memory of a large job. */
  pages?: Receiving;
  /** Everything is here and checked: the job could go on from it. */
  isComplete: boolean;
  copy?: WaitingCopy;
  /** What is being done with it, one after the other. */
  busy: Promise<unknown>;
  timer?: NodeJS.Timeout;
}

/** Its node is this one now, by its record. */
export function namesUs({ name, runtime }: Pick<Arrival, 'name' | 'runtime'>, { job }: JobSnapshot): boolean {
  return isLive(job) && job.attempt === name.attempt && job.node === runtime.nodeNumber;
}

/** It is with the node it is to come from, and has not been let go on there after it was sent. */
export function mayStillCome(
  { name, isComplete }: Pick<Arrival, 'name' | 'isComplete'>,
  { job }: JobSnapshot,
): boolean {
  return job.attempt === name.attempt && isLive(job) && (!isComplete || job.status === 'frozen');
}

type LiveJob = Extract<Job, { readonly status: 'running' | 'paused' | 'frozen' }>;

function isLive(job: Job): job is LiveJob {
  return job.status === 'running' || job.status === 'paused' || job.status === 'frozen';
}

const fileName = 'arrival.json';

/** From here on the job can go on from what is in the folder, also by the next worker. Not on the disk at once: a job stands still for it. */
export function noteArrival({ dir, name, from }: Arrival): void {
  writeFileSync(join(dir, fileName), JSON.stringify({ ...name, from }), { mode: 0o600 });
}

/** What is complete in a folder of arrivals; undefined: nothing. */
export function readArrival(dir: string): (AttemptName & { readonly from: string }) | undefined {
  try {
    return JSON.parse(readFileSync(join(dir, fileName), 'utf8')) as AttemptName & { readonly from: string };
  } catch {
    return undefined;
  }
}
