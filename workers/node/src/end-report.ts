import { noOutput, noUsage, type Outcome, type OutputFacts } from '@omx/core';
import type { EndedEvent } from '@omx/launch';
import { queueClock } from '@omx/queue';
import type { ResultsPool } from '@omx/worker-results';

import type { Attempt } from './attempt.ts';
import type { BatchRuntime } from './batch-cache.ts';
import { parseOutput } from './parse-output.ts';
import type { Report } from './reporter.ts';
import { nextTry } from './retry.ts';

/** What is written of an attempt's end: outcome, usage, output and rows, and whether it is tried again. */
export async function reportOfEnd(options: {
  readonly pool: ResultsPool;
  readonly nodeDir: string;
  readonly runtime: BatchRuntime;
  readonly attempt: Attempt;
  readonly outcome: Outcome;
  /** Undefined where nothing was started. */
  readonly event: EndedEvent | undefined;
}): Promise<Report> {
  const { runtime, attempt, outcome, event } = options;
  if (event !== undefined) runtime.learn(event.endedAt - event.startedAt);
  const { parse, limits } = runtime.specOf(attempt.ordinal);
  const rows =
    parse === undefined || event === undefined ? undefined : await parseOutput({ ...options, event, parser: parse });
  const at = event?.endedAt ?? queueClock.now();
  const retryAt = nextTry(attempt.snapshot.job, outcome, limits, queueClock.now());
  const output = outputFacts(event);
  return {
    attempt,
    event: {
      type: 'end',
      attempt: attempt.number,
      at,
      outcome,
      usage: event?.usage ?? noUsage,
      output,
      ...(attempt.startedAt === undefined ? {} : { started: { at: attempt.startedAt, launcher: attempt.launcher } }),
    },
    ...(retryAt === undefined ? {} : { retryAt }),
    ...(output.place !== 'queue' || event?.output === undefined
      ? {}
      : { output: { ordinal: attempt.ordinal, attempt: attempt.number, ...event.output } }),
    ...(rows === undefined ? {} : { rows }),
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
