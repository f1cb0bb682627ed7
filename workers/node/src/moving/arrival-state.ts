import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';

import type { Job } from '@omx/core';
import type { AttemptName, JobSnapshot } from '@omx/queue';

import type { Attempt } from '../attempt.ts';
import type { BatchRuntime } from '../batch-cache.ts';
import type { Reception } from './reception.ts';
import type { PreparedAttempt, WaitingCopy } from './thaw-attempt.ts';

/** Something that is on its way to this node. */
export interface Arrival extends Partial<Reception> {
  readonly name: AttemptName;
  readonly from: string;
  readonly runtime: BatchRuntime;
  readonly dir: string;
  /** Holds the slot; absent for an image that is only kept. */
  readonly attempt?: Attempt;
  /** Everything is here and checked: the job could go on from it. */
  isComplete: boolean;
  /** Its capsule, made beforehand; undefined where that failed. */
  prepared?: Promise<PreparedAttempt | undefined>;
  copy?: WaitingCopy;
  /** The copy whose note is written. */
  noted?: WaitingCopy;
  /** So many copies were made of it since it is ours, and lost. */
  failures: number;
  /** It was taken or dropped; only its folder has yet to go. */
  isOver?: true;
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

/** Where something comes in. A job and an image of it that is to be kept may come at the same time. */
export function arrivingFolder(nodeDir: string, key: string, purpose: 'move' | 'keep'): string {
  return join(nodeDir, 'arriving', purpose === 'move' ? key : `${key}.keep`);
}

const fileName = 'arrival.json';

/** From here on the job can go on from what is in the folder, also by the next worker. Not on the disk at once: a job stands still for it. */
export function noteArrival({ dir, name, from }: Arrival): void {
  writeFileSync(join(dir, fileName), JSON.stringify({ ...name, from }), { mode: 0o600 });
}

/** Its copy runs: nobody may make another from what is in the folder. */
export function forgetArrival({ dir }: Arrival): void {
  rmSync(join(dir, fileName), { force: true });
}

/** What is complete in a folder of arrivals; undefined: nothing. */
export function readArrival(dir: string): (AttemptName & { readonly from: string }) | undefined {
  try {
    return JSON.parse(readFileSync(join(dir, fileName), 'utf8')) as AttemptName & { readonly from: string };
  } catch {
    return undefined;
  }
}

/** Whoever was told to stop writing into the folder may take a moment to do so. */
export async function removeArrived(dir: string): Promise<void> {
  await rm(dir, { recursive: true, force: true, maxRetries: 10 });
}
