import type { Batch } from '@omx/core';

import type { JobChange } from '../job-store.ts';
import { blockJobs, encodeInto, recordBytes } from './record.ts';

/** What a run begins with: first ordinal (u32), number of jobs (u16), flags (u8). */
const headBytes = 7;

interface Run {
  readonly changes: JobChange[];
  readonly flags: number;
}

/**
 * Changes as the write script takes them: in runs of neighbours of one block that are written alike, each with the records
 * as they were read, then the new ones, and with flag 2, for one job alone, the record of the attempt that ended.
 */
export function encodeChanges(batch: Batch, changes: readonly JobChange[]): Buffer {
  const runs = runsOf(batch, changes);
  const size = runs.reduce((sum, run) => sum + sizeOf(run), 0);
  const bytes = Buffer.alloc(size);
  let at = 0;
  for (const run of runs) {
    bytes.writeUInt32LE(run.changes[0]?.snapshot.ordinal ?? 0, at);
    bytes.writeUInt16LE(run.changes.length, at + 4);
    bytes[at + 6] = run.flags;
    at += headBytes;
    const place = (): number => (at += recordBytes) - recordBytes;
    for (const { snapshot } of run.changes) {
      if (snapshot.record === undefined) encodeInto(bytes, place(), snapshot.job, batch);
      else snapshot.record.copy(bytes, place());
    }
    for (const { next } of run.changes) encodeInto(bytes, place(), next, batch);
    for (const { ended } of run.changes) if (ended !== undefined) encodeInto(bytes, place(), ended, batch);
  }
  return bytes;
}

function runsOf(batch: Batch, changes: readonly JobChange[]): Run[] {
  const runs: Run[] = [];
  for (const change of changes) {
    const flags =
      (change.hasPackedOutput === true ? 1 : 0) |
      (change.ended === undefined ? 0 : 2) |
      (change.throttled === true && batch.spec.throttle !== undefined ? 4 : 0);
    const open = runs.at(-1);
    const { ordinal } = change.snapshot;
    const follows = open !== undefined && open.changes.at(-1)?.snapshot.ordinal === ordinal - 1;
    if (follows && flags === open.flags && flags < 2 && ordinal % blockJobs !== 0) open.changes.push(change);
    else runs.push({ changes: [change], flags });
  }
  return runs;
}

function sizeOf({ changes, flags }: Run): number {
  return headBytes + recordBytes * changes.length * ((flags & 2) === 0 ? 2 : 3);
}
