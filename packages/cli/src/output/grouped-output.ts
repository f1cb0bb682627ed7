import { indexOf, isOmxError, jobId, type OmxError } from '@omx/core';
import type { JobSnapshot } from '@omx/queue';

import type { Selection } from '../select.ts';
import type { Session } from '../session.ts';
import { newestOutput, streamNames } from './attempt-output.ts';
import { Changes } from './changes.ts';
import { JobWatch } from './job-watch.ts';
import { OutputSource } from './output-source.ts';
import { printOutput } from './print-jobs.ts';
import type { OutputSink } from './sink.ts';

/** Milliseconds between looks: often enough for a reader; jobs that print nothing are looked at more and more seldom. */
const shortestGapMs = 100;
const restFactor = 9;
const longestWaitMs = 1000;

/**
 * Prints each job's whole output when the job has ended, in the order of the ends, so that no two are mixed (as GNU
 * parallel does). Of a job that was tried again it is the last attempt's.
 */
export async function printGrouped(
  session: Session,
  sink: OutputSink,
  selection: Selection,
  options: { readonly signal: AbortSignal; readonly onError: (id: string, error: OmxError) => void },
): Promise<void> {
  const { signal } = options;
  const source = new OutputSource(session);
  const watch = new JobWatch(session, selection.batch, selection.spans);
  const changes = await Changes.open(session, selection.batch.id);
  let gapMs = shortestGapMs;
  let printed = false;
  try {
    while (!signal.aborted) {
      const began = performance.now();
      printed = false;
      for await (const snapshots of watch.look()) {
        const ended = inOrderOfEnd(snapshots);
        await source.fetchAhead(watch.batch, ended);
        for (const snapshot of ended) {
          if (signal.aborted) return;
          await printOne(snapshot);
        }
      }
      if (watch.isDone) break;
      gapMs = printed ? shortestGapMs : Math.min(2 * gapMs, longestWaitMs);
      await changes.next(Math.max(gapMs, restFactor * (performance.now() - began)), longestWaitMs, signal);
    }
  } finally {
    changes.close();
  }

  async function printOne(snapshot: JobSnapshot): Promise<void> {
    watch.close(snapshot.ordinal);
    try {
      const output = await newestOutput(session.jobs, watch.batch, snapshot);
      if (output === undefined || output.place === 'none') return;
      printed = true;
      await printOutput(source, sink, watch.batch, output, { streams: streamNames, signal });
    } catch (error) {
      if (!isOmxError(error)) throw error;
      options.onError(jobId(watch.batch.id, indexOf(watch.batch.spec.jobs, snapshot.ordinal)), error);
    }
  }
}

function inOrderOfEnd(snapshots: readonly JobSnapshot[]): JobSnapshot[] {
  const endedAt = ({ job }: JobSnapshot): number => (job.status === 'ended' ? job.endedAt : Infinity);
  return snapshots
    .filter(({ job }) => job.status === 'ended')
    .sort((a, b) => endedAt(a) - endedAt(b) || a.ordinal - b.ordinal);
}
