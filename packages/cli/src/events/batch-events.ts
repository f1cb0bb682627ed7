import { type Batch, type BatchProgress, batchState, doneCount } from '@omx/core';

import type { BatchEvent } from './event.ts';

/** What the record, the sums and the notes of a batch tell of it. */
export function batchEvents(batch: Batch, progress: BatchProgress, notes: readonly string[]): BatchEvent[] {
  const { id, spec, total, submittedAt } = batch;
  const { counts, firstStartAt, endedAt } = progress;
  const isOver = endedAt !== undefined && doneCount(counts) === total;
  const present = Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
  return [
    { at: submittedAt, type: 'batch-submitted', id, name: spec.name, total },
    ...(firstStartAt === undefined ? [] : [{ at: firstStartAt, type: 'batch-started', id } as const]),
    ...(isOver
      ? [{ at: endedAt, type: 'batch-ended', id, state: batchState(counts, total), counts: present } as const]
      : []),
    ...notes.flatMap((note) => noteEvent(id, note)),
  ];
}

/** A note is a line with its time before it. */
function noteEvent(id: Batch['id'], note: string): BatchEvent[] {
  const [time = '', ...words] = note.split(' ');
  const at = Date.parse(time);
  return Number.isNaN(at) ? [] : [{ at, type: 'batch-note', id, text: words.join(' ') }];
}

/** When a batch was cancelled as a whole, as well as is known: the note about it is written right after that. */
export function cancelTime(batch: Batch, { endedAt }: BatchProgress, notes: readonly string[]): number {
  const noted = notes.findLast((note) => note.slice(note.indexOf(' ') + 1).startsWith('cancelled'));
  const at = Date.parse(noted?.split(' ')[0] ?? '');
  if (Number.isNaN(at)) return endedAt ?? batch.submittedAt;
  return Math.min(at, endedAt ?? at);
}
