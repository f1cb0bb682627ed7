import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { resolve } from 'node:path';
import { finished } from 'node:stream/promises';

import {
  type Batch,
  bufferOf,
  type Bytes,
  eachOf,
  errorOf,
  indexOf,
  jobId,
  OmxError,
  quoteWord,
  type Span,
} from '@omx/core';

import { type Io, write } from '../io.ts';
import type { JobCommands } from './job-commands.ts';

/** Jobs whose commands are to be written down. */
export interface ExportedJobs {
  readonly batch: Batch;
  readonly spans: readonly Span[];
  readonly commands: JobCommands;
}

/**
 * A line of a commands file that `omx submit --commands` reads back as the same words, byte for byte.
 * @returns undefined for words that no line can hold: those with a newline
 */
export function commandLine(argv: readonly Bytes[]): Bytes | undefined {
  if (argv.some((word) => word.includes('\n'))) return undefined;
  return argv.map(quoteWord).join(' ') as Bytes;
}

/** Writes a commands file (`-` is stdout). All lines are checked before the first is written. */
export async function exportCommands(io: Io, jobs: readonly ExportedJobs[], file: string): Promise<void> {
  for await (const line of linesOf(jobs)) void line;
  if (file === '-') {
    for await (const line of linesOf(jobs)) await write(io.stdout, line);
    return;
  }
  const stream = createWriteStream(resolve(io.cwd, file));
  try {
    await once(stream, 'open');
    for await (const line of linesOf(jobs)) await write(stream, line);
    stream.end();
    await finished(stream);
  } catch (error) {
    throw new OmxError(`cannot write ${file}: ${errorOf(error).message}`, { code: 'EXPORT_FAILED', cause: error });
  }
}

async function* linesOf(jobs: readonly ExportedJobs[]): AsyncGenerator<Buffer> {
  for (const { batch, spans, commands } of jobs) {
    for (const ordinal of eachOf(spans)) {
      const line = commandLine(await commands.argv(ordinal));
      if (line === undefined) {
        throw new OmxError(
          `cannot export ${jobId(batch.id, indexOf(batch.spec.jobs, ordinal))}: an argument holds a newline, and a commands file has one command a line`,
          {
            code: 'EXPORT_NEWLINE',
            hint: 'omx rerun --as-new makes a new batch of such jobs',
          },
        );
      }
      yield bufferOf(`${line}\n` as Bytes);
    }
  }
}
