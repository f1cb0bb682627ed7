import { jobCount, jsonOf, JobExpander, quoteWord, textOf } from '@omx/core';

import { refuseOnGuest } from '../guest.ts';
import { type Io, write, writeJson, writeLine } from '../io.ts';
import type { SubmitOptions } from '../read-batch.ts';
import { withSession } from '../session.ts';
import { readChecked, submitBatch, warnUnplaced } from '../submit-batch.ts';

interface SubmitCommandOptions extends SubmitOptions {
  readonly dryRun?: boolean;
  readonly wait?: boolean;
  readonly progress?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

/** `omx submit`: into the queue, all of it or nothing. */
export async function submit(io: Io, words: readonly string[], options: SubmitCommandOptions): Promise<number> {
  const read = await readChecked(io, words, options);
  if (options.dryRun === true) return dryRun(io, read, options.json === true);
  return withSession(io, options, async (session) => {
    await refuseOnGuest(io, session);
    const submitted = await submitBatch(session, read);
    const { id, total, existed } = submitted;
    warnUnplaced(io, submitted);
    if (options.json === true) await writeJson(io, { id, jobs: total });
    else if (options.quiet === true) await writeLine(io, id);
    else {
      const jobs = `${total} ${total === 1 ? 'job' : 'jobs'}`;
      await writeLine(io, existed ? `${id}  ${jobs}, submitted before with this key` : `${id}  ${jobs} submitted`);
      await writeLine(io, `  omx status ${id}    omx tail -f ${id}    omx wait ${id}`);
    }
    if (options.wait !== true) return 0;
    const { waitFor } = await import('../wait-for.ts');
    return waitFor(io, session, [id], {
      progress: options.progress === true,
      quiet: options.quiet === true || options.json === true,
    });
  });
}

async function dryRun(io: Io, read: Awaited<ReturnType<typeof readChecked>>, json: boolean): Promise<number> {
  const { spec, items } = read.compile('');
  const expander = new JobExpander(spec);
  const total = jobCount(spec.jobs);
  for (let ordinal = 0; ordinal < total; ordinal += 1) {
    const { index, argv } = expander.expand(ordinal, items?.[ordinal]);
    if (json) await writeJson(io, { index, argv: argv.map(jsonOf) });
    else await write(io.stdout, `${index}\t${argv.map((word) => textOf(quoteWord(word))).join(' ')}\n`);
  }
  return 0;
}
