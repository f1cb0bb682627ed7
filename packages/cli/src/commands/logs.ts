import { ExitCode, usageError } from '@omx/core';

import type { Io } from '../io.ts';
import { streamNames, type StreamName } from '../output/attempt-output.ts';
import { parseLines } from '../output/count-lines.ts';
import { printJobs, reportError } from '../output/print-jobs.ts';
import { JsonSink, RawSink } from '../output/sink.ts';
import { stopSignal } from '../output/stop-signal.ts';
import { failuresOnly, jobFilter, select, type StateFilter } from '../select.ts';
import { withSession } from '../session.ts';

interface LogsOptions extends StateFilter {
  readonly redis?: string;
  readonly json?: boolean;
  readonly err?: boolean;
  readonly both?: boolean;
  readonly last?: string;
}

/** `omx logs`: what jobs have written, byte for byte, in the order of the jobs. */
export async function logs(io: Io, selectors: readonly string[], options: LogsOptions): Promise<number> {
  const streams = streamsOf(options);
  const lines = options.last === undefined ? {} : { lines: parseLines('--last', options.last) };
  const json = options.json === true;
  const filter = jobFilter(options);
  return withSession(io, options, async (session) => {
    const selections = await select(session, selectors);
    const stop = stopSignal(io);
    const sink = json ? new JsonSink(io, { array: false }) : new RawSink(io, { merged: true });
    let code: number = ExitCode.ok;
    try {
      await printJobs(session, sink, selections, {
        streams,
        ...lines,
        filter,
        failedOnly: failuresOnly(options),
        signal: stop.signal,
        onError: (id, error) => {
          reportError(io, json, id, error);
          code = ExitCode.unreachable;
        },
      });
      return stop.exitCode() ?? code;
    } finally {
      stop.release();
    }
  });
}

function streamsOf(options: LogsOptions): readonly StreamName[] {
  if (options.err === true && options.both === true) throw usageError('--err and --both exclude each other');
  if (options.both === true) return streamNames;
  return options.err === true ? ['err'] : ['out'];
}
