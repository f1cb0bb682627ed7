import { textOf } from '@omx/core';
import type { EndedEvent } from '@omx/launch';
import type { JobRows } from '@omx/queue';
import type { ResultsPool } from '@omx/worker-results';

import type { Attempt } from './attempt.ts';
import type { BatchRuntime } from './batch-cache.ts';
import { capsuleOutput, keptOutput } from './job-folders.ts';

/**
 * What the batch's parser makes of an attempt's output. Its faults become the row's error; the job is not touched.
 * @returns the rows, and how long they are as JSON
 */
export async function parseOutput(options: {
  readonly pool: ResultsPool;
  readonly nodeDir: string;
  readonly runtime: BatchRuntime;
  readonly attempt: Attempt;
  readonly event: EndedEvent;
  readonly parser: string;
}): Promise<{ readonly rows: JobRows; readonly bytes: number }> {
  const { pool, nodeDir, runtime, attempt, event, parser } = options;
  const paths = (attempt.launcher === 'criu' ? capsuleOutput : keptOutput)(nodeDir, attempt);
  const { value } = await runtime.expand(attempt.ordinal);
  const result = await pool.parse({
    parser,
    out: event.output?.out ?? { path: paths.out },
    err: event.output?.err ?? { path: paths.err },
    cwd: textOf(runtime.batch.spec.cwd),
    context: { batch: attempt.batch, index: attempt.index, value: textOf(value), exitCode: event.exitCode ?? null },
  });
  const place = { ordinal: attempt.ordinal, attempt: attempt.number };
  return 'error' in result
    ? { rows: { ...place, error: result.error }, bytes: result.error.length }
    : { rows: { ...place, rows: result.rows }, bytes: JSON.stringify(result.rows).length };
}
