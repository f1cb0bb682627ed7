import { usageError } from './errors.ts';

/** `b7`: what one submit made. */
export type BatchId = `b${number}`;

export function batchId(number: number): BatchId {
  return `b${number}`;
}

export function batchNumber(id: BatchId): number {
  return Number(id.slice(1));
}

/** `b7` or `7`, as a user types it. */
export function parseBatchId(text: string): BatchId {
  const match = /^b?(\d{1,15})$/.exec(text);
  if (match === null) throw usageError(`'${text}' is not a batch id`, 'a batch is written b7 or 7');
  return batchId(Number(match[1]));
}

/** `b7.12`: one process of a batch; the number is the job's index. */
export function jobId(batch: BatchId, index: number): string {
  return `${batch}.${index}`;
}

/** `b7.12#2`: one execution of a job. */
export function attemptId(batch: BatchId, index: number, attempt: number): string {
  return `${batch}.${index}#${attempt}`;
}
