import { type Batch, indexOf, isOmxError, type Job, jobId, type OmxError } from '@omx/core';

import { type Io, say } from '../io.ts';
import type { Selection } from '../select.ts';
import type { Session } from '../session.ts';
import { type AttemptOutput, newestOutput, type StreamName } from './attempt-output.ts';
import { OutputSource } from './output-source.ts';
import type { OutputSink } from './sink.ts';

export interface PrintOptions {
  readonly streams: readonly StreamName[];
  /** Only the last lines of each stream. */
  readonly lines?: number;
  readonly filter?: (job: Job) => boolean;
  readonly failedOnly?: boolean;
  readonly signal: AbortSignal;
  /** The output of a job (`b7.3`) cannot be had; the others go on. */
  readonly onError: (id: string, error: OmxError) => void;
}

/** Prints what there is of the selected jobs' output, in the order of the jobs. A job that cannot be read is passed over. */
export async function printJobs(
  session: Session,
  sink: OutputSink,
  selections: readonly Selection[],
  options: PrintOptions,
): Promise<void> {
  const source = new OutputSource(session);
  for (const { batch, spans } of selections) {
    for await (const snapshots of session.jobs.scan(batch, spans, { failedOnly: options.failedOnly === true })) {
      const wanted = snapshots.filter(({ job }) => options.filter?.(job) !== false);
      await source.fetchAhead(batch, wanted);
      for (const snapshot of wanted) {
        if (options.signal.aborted) return;
        try {
          const output = await newestOutput(session.jobs, batch, snapshot);
          if (output !== undefined) await printOutput(source, sink, batch, output, options);
        } catch (error) {
          if (!isOmxError(error)) throw error;
          options.onError(jobId(batch.id, indexOf(batch.spec.jobs, snapshot.ordinal)), error);
        }
      }
    }
  }
}

/** Prints one attempt's output, stdout first. */
export async function printOutput(
  source: OutputSource,
  sink: OutputSink,
  batch: Batch,
  output: AttemptOutput,
  options: Pick<PrintOptions, 'streams' | 'lines' | 'signal'>,
): Promise<void> {
  if (output.place === 'none') return;
  const name = await source.nameOf(batch, output);
  for (const stream of options.streams) {
    const from = options.lines === undefined ? 0 : await source.lastLines(batch, output, stream, options.lines);
    try {
      for await (const bytes of source.read(batch, output, stream, from)) {
        if (options.signal.aborted) return;
        await sink.write(name, stream, bytes);
      }
    } finally {
      await sink.end(name, stream);
    }
  }
}

/** One line on stderr, or one JSON object; the command goes on. */
export function reportError(io: Io, json: boolean, id: string, { code, message, hint }: OmxError): void {
  const text = `${id}: ${message}`;
  if (!json) say(io, `error: ${text}`);
  else say(io, JSON.stringify({ error: { code, message: text, ...(hint === undefined ? {} : { hint }) } }));
}
