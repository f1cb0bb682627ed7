import { countSpans, usageError } from '@omx/core';
import type { Command } from 'commander';

import { type Again, type Changes, isChange, revisionOf, runAgain, spansAgain } from '../acting/again.ts';
import { submitAsNew } from '../acting/as-new.ts';
import { allEnds, allFailures, type Causes, parseCauses } from '../acting/causes.ts';
import { exportCommands } from '../acting/export.ts';
import { JobCommands } from '../acting/job-commands.ts';
import { parseSet } from '../acting/limits.ts';
import { checkNewArguments, splitAtDashes } from '../acting/new-arguments.ts';
import { type Target, targetsOf } from '../acting/selected.ts';
import { jobsText } from '../acting/wording.ts';
import { type Io, writeJson, writeLine } from '../io.ts';
import { rawWords } from '../raw-args.ts';
import { jobFilter, type StateFilter } from '../select.ts';
import { type QueueOptions, type Session, withSession } from '../session.ts';

interface RerunOptions extends QueueOptions, StateFilter {
  readonly on?: readonly string[];
  readonly set?: readonly string[];
  readonly asNew?: boolean;
  readonly export?: string;
  readonly json?: boolean;
}

/** `omx rerun`: jobs that ended are queued again as new attempts, as they were or with other limits and arguments. */
export async function rerun(
  io: Io,
  words: readonly string[],
  options: RerunOptions,
  command: Command,
): Promise<number> {
  const { before, after } = splitAtDashes(words, typedWords(command));
  if (after?.length === 0)
    throw usageError('there are no arguments after --', 'leave -- out to run the jobs with the arguments they had');
  if (options.export !== undefined && (options.asNew === true || options.set !== undefined)) {
    throw usageError(
      `--export writes commands and runs nothing, so ${options.asNew === true ? '--as-new' : '--set'} means nothing with it`,
    );
  }
  const changes: Changes = {
    limits: parseSet(options.set ?? []),
    args: after === undefined ? undefined : rawWords(after),
  };
  const causes = options.on === undefined ? undefined : parseCauses(options.on);
  jobFilter(options);
  return withSession(io, options, async (session) => {
    const targets = await targetsOf(session, before.length === 0 ? ['last'] : before, options);
    const again = targets.map((target) => ({ target, causes: causes ?? defaultCauses(target, options) }));
    for (const { batch } of targets) if (changes.args !== undefined) checkNewArguments(batch, changes.args);
    if (options.export !== undefined)
      await exportAgain(io, session, again, changes, { file: options.export, json: options.json === true });
    else await (options.asNew === true ? newBatches : sameBatches)(io, session, again, changes, options.json === true);
    return 0;
  });
}

/** Commander keeps them, but its types do not say so. */
function typedWords(command: Command): readonly string[] {
  const program: (Command & { readonly rawArgs?: readonly string[] }) | null = command.parent;
  return program?.rawArgs ?? [];
}

/** Of a batch its failures; of jobs named one by one or by their state, whatever has ended. */
function defaultCauses(target: Target, options: StateFilter): Causes {
  return target.whole && options.state === undefined ? allFailures : allEnds;
}

async function sameBatches(
  io: Io,
  session: Session,
  all: readonly Again[],
  changes: Changes,
  json: boolean,
): Promise<void> {
  const results: { readonly id: string; readonly jobs: number }[] = [];
  for (const again of all) {
    const { id } = again.target.batch;
    const jobs = await runAgain(session, again, changes);
    results.push({ id, jobs });
    if (json) continue;
    if (jobs === 0) await nothing(io, session, again);
    else await tell(io, id, `${id}: ${jobsText(jobs)} queued again`);
  }
  if (json) await writeJson(io, results.length === 1 ? results[0] : results);
}

async function newBatches(
  io: Io,
  session: Session,
  all: readonly Again[],
  changes: Changes,
  json: boolean,
): Promise<void> {
  const results: ({ readonly id: string; readonly jobs: number } | { readonly id: null; readonly jobs: 0 })[] = [];
  for (const again of all) {
    const made = await submitAsNew(session, again, changes);
    results.push(made ?? { id: null, jobs: 0 });
    if (json) continue;
    if (made === undefined) await nothing(io, session, again);
    else await tell(io, made.id, `${made.id}  ${jobsText(made.jobs)} of ${again.target.batch.id} submitted`);
  }
  if (json) await writeJson(io, results.length === 1 ? results[0] : results);
}

async function exportAgain(
  io: Io,
  session: Session,
  all: readonly Again[],
  changes: Changes,
  to: { readonly file: string; readonly json: boolean },
): Promise<void> {
  const exported = [];
  for (const again of all) {
    const { batch } = again.target;
    const spans = await spansAgain(session, again);
    exported.push({
      batch,
      spans,
      commands: new JobCommands(session.batches, batch, isChange(changes) ? revisionOf(spans, changes) : undefined),
    });
  }
  await exportCommands(io, exported, to.file);
  if (to.file === '-') return;
  const results = exported.map(({ batch, spans }) => ({ id: batch.id, jobs: countSpans(spans), file: to.file }));
  if (to.json) await writeJson(io, results.length === 1 ? results[0] : results);
  else {
    const total = results.reduce((sum, { jobs }) => sum + jobs, 0);
    await writeLine(io, `${to.file}: ${total} ${total === 1 ? 'command' : 'commands'} written`);
    await writeLine(io, `  omx submit --commands ${to.file}`);
  }
}

async function tell(io: Io, id: string, what: string): Promise<void> {
  await writeLine(io, what);
  await writeLine(io, `  omx status ${id}    omx tail -f ${id}    omx wait ${id}`);
}

/** Says what there is instead, and how to get at it. */
async function nothing(io: Io, session: Session, { target, causes }: Again): Promise<void> {
  const { batch } = target;
  const { counts } = await session.batches.progress(batch);
  const there = Object.entries(counts).flatMap(([state, count]) => (count === 0 ? [] : [`${count} ${state}`]));
  await writeLine(io, `${batch.id}: nothing to run again (${there.join(', ')})`);
  if (!target.whole) return;
  const hints = [
    ...(counts.failed + counts.lost > 0 && causes !== allFailures ? [['', 'the failed jobs']] : []),
    ...(counts.cancelled > 0 ? [[' --on cancelled', 'the cancelled jobs']] : []),
    ...(counts.succeeded > 0 ? [[' --on succeeded', 'the jobs that succeeded']] : []),
  ];
  for (const [option = '', jobs = ''] of hints)
    await writeLine(io, `  omx rerun ${batch.id}${option}    runs ${jobs} again`);
}
