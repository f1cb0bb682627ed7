import { type BatchId, type BatchSpec, countSpans, eachOf, type Item, type Span } from '@omx/core';

import type { Session } from '../session.ts';
import { type Again, type Changes, commonLimits, isChange, revisionOf, spansAgain } from './again.ts';
import { JobCommands } from './job-commands.ts';
import { jobsText } from './wording.ts';

/**
 * Submits a batch of the same commands: same environment, folder, limits and parser; its jobs are numbered from 1.
 * @returns undefined where there is no such job
 */
export async function submitAsNew(
  session: Session,
  again: Again,
  changes: Changes,
): Promise<{ readonly id: BatchId; readonly jobs: number } | undefined> {
  const { batch } = again.target;
  const spans = await spansAgain(session, again);
  const total = countSpans(spans);
  if (total === 0) return undefined;
  const commands = new JobCommands(session.batches, batch, isChange(changes) ? revisionOf(spans, changes) : undefined);
  const limits = commonLimits(batch, spans, (ordinal) => commands.specOf(ordinal).limits);
  const { id } = await session.batches.submit({
    spec: newSpec(batch.spec, total, limits),
    total,
    items: await argvOf(commands, spans),
    order: [{ first: 0, last: total - 1 }],
    untouched: 'queued',
  });
  await session.batches.addNote(id, `made by omx rerun --as-new of ${jobsText(total)} of ${batch.id}`);
  await session.batches.addNote(batch.id, `${jobsText(total)} run again as ${id}`);
  return { id, jobs: total };
}

/** The submit key stays with the old batch: it is one batch's. What the old one waited for has been. */
function newSpec(spec: BatchSpec, count: number, limits: BatchSpec['limits']): BatchSpec {
  const { key: _key, ...kept } = spec;
  return {
    ...kept,
    command: [],
    shell: false,
    jobs: { kind: 'commands', count },
    after: [],
    hold: false,
    order: 'index',
    limits,
  };
}

async function argvOf(commands: JobCommands, spans: readonly Span[]): Promise<Item[]> {
  const items: Item[] = [];
  for (const ordinal of eachOf(spans)) items.push(await commands.argv(ordinal));
  return items;
}
