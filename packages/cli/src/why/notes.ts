import type { Job } from '@omx/core';

import { attemptsOver } from '../events/job-events.ts';
import { localTime } from '../render/times.ts';

/** A line of a batch's notes as people read it. */
export function noteText(line: string, now: number): string {
  const [time = '', ...words] = line.split(' ');
  const at = Date.parse(time);
  return Number.isNaN(at) ? line : `${localTime(at, now)} ${words.join(' ')}`;
}

/** Notes that name the job, and those about its batch that may be about it. */
export function notesOfJob(notes: readonly string[], id: string, job: Job): string[] {
  return notes.filter((line) => {
    const text = line.slice(line.indexOf(' ') + 1);
    if (mentions(text, id)) return true;
    if (/\bb\d+\.\d+#/.test(text)) return false;
    if (job.status === 'ended' && job.outcome.kind === 'cancelled') return text.startsWith('cancelled');
    if (job.status === 'held') return /\bheld\b/.test(text);
    // An attempt may have gone with a node before its start was on record: then nothing else tells of it.
    return (job.crashes > 0 || attemptsOver(job) > 0) && /\bfreed\b/.test(text);
  });
}

function mentions(text: string, id: string): boolean {
  const at = text.indexOf(id);
  return at !== -1 && !/\d/.test(text[at + id.length] ?? '') && !/\w/.test(text[at - 1] ?? ' ');
}
