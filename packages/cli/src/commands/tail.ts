import { countSpans, ExitCode, type OmxError, usageError } from '@omx/core';

import type { Io } from '../io.ts';
import { type StreamName, streamNames } from '../output/attempt-output.ts';
import { parseLines } from '../output/count-lines.ts';
import { Follower, mergeSelections } from '../output/follower.ts';
import { PrefixSink } from '../output/prefix-sink.ts';
import { printJobs, reportError } from '../output/print-jobs.ts';
import { JsonSink, type OutputSink, RawSink } from '../output/sink.ts';
import { stopSignal } from '../output/stop-signal.ts';
import { select, type Selection } from '../select.ts';
import { withSession } from '../session.ts';

interface TailOptions {
  readonly redis?: string;
  readonly json?: boolean;
  readonly follow?: boolean;
  readonly last?: string;
  readonly err?: boolean;
  readonly out?: boolean;
}

const defaultLines = 10;

/** `omx tail`: the last lines of each job; with `-f` what follows them, until the jobs end. */
export async function tail(io: Io, selectors: readonly string[], options: TailOptions): Promise<number> {
  const streams = streamsOf(options);
  const lines = options.last === undefined ? defaultLines : parseLines('--last', options.last);
  const json = options.json === true;
  return withSession(io, options, async (session) => {
    const selections = mergeSelections(await select(session, selectors));
    const stop = stopSignal(io);
    const sink = sinkFor(io, options, selections);
    let code: number = ExitCode.ok;
    const onError = (id: string, error: OmxError): void => {
      reportError(io, json, id, error);
      code = ExitCode.unreachable;
    };
    const common = { streams, lines, signal: stop.signal, onError, withNode: json };
    try {
      if (options.follow === true) {
        await Promise.all(selections.map(async (selection) => new Follower(session, sink, selection, common).run()));
      } else await printJobs(session, sink, selections, common);
      if (sink instanceof JsonSink) await sink.close();
      return stop.exitCode() ?? code;
    } finally {
      if (sink instanceof PrefixSink) sink.close();
      stop.release();
    }
  });
}

function sinkFor(io: Io, options: TailOptions, selections: readonly Selection[]): OutputSink {
  if (options.json === true) return new JsonSink(io, { array: options.follow !== true });
  const jobs = selections.reduce((sum, { spans }) => sum + countSpans(spans), 0);
  return jobs === 1 ? new RawSink(io, { merged: false }) : new PrefixSink(io);
}

function streamsOf(options: TailOptions): readonly StreamName[] {
  if (options.err === true && options.out === true)
    throw usageError('--err and --out exclude each other', 'without either, both are shown');
  if (options.err === true) return ['err'];
  return options.out === true ? ['out'] : streamNames;
}
