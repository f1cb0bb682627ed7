import { noOutput, noUsage, type Outcome, type OutputFacts } from '@omx/core';
import type { EndedEvent } from '@omx/launch';
import { queueClock } from '@omx/queue';
import type { ResultsPool } from '@omx/worker-results';

import type { Attempt } from './attempt.ts';
import type { BatchRuntime } from './batch-cache.ts';
import { parseOutput } from './parse-output.ts';
import type { Report } from './report.ts';
import { nextTry } from './retry.ts';

/** What is written of an attempt's end: outcome, usage, output and rows, and whether it is tried again. */
export async function reportOfEnd(
  node: { readonly pool: ResultsPool; readonly nodeDir: string },
  end: {
    readonly runtime: BatchRuntime;
    readonly attempt: Attempt;
    readonly outcome: Outcome;
    /** Undefined where nothing was started. */
    readonly event: EndedEvent | undefined;
  },
): Promise<Report> {
  const { runtime, attempt, outcome, event } = end;
  if (event !== undefined) runtime.learn(event.endedAt - event.startedAt);
  const { parse, limits } = runtime.specOf(attempt.ordinal);
  const parsed =
    parse === undefined || event === undefined
      ? undefined
      : await parseOutput({ ...node, ...end, event, parser: parse });
  const { number, ordinal, startedAt, launcher } = attempt;
  const output = outputFacts(event);
  return {
    attempt,
    event: {
      type: 'end',
      attempt: number,
      at: event?.endedAt ?? queueClock.now(),
      outcome,
      usage: event?.usage ?? noUsage,
      output,
      started: startedAt === undefined ? undefined : { at: startedAt, launcher },
    },
    retryAt: nextTry(attempt.snapshot.job, outcome, limits, queueClock),
    output:
      output.place !== 'queue' || event?.output === undefined
        ? undefined
        : { ordinal, attempt: number, out: event.output.out, err: event.output.err },
    rows: parsed?.rows,
    rowBytes: parsed?.bytes,
  };
}

function outputFacts(event: EndedEvent | undefined): OutputFacts {
  if (event === undefined || event.outBytes + event.errBytes === 0) return noOutput;
  return {
    place: event.output === undefined ? 'node' : 'queue',
    outBytes: event.outBytes,
    errBytes: event.errBytes,
    truncated: event.truncated,
  };
}
