import { formatSpans, type Span, stateName } from '@omx/core';
import type { JobSnapshot } from '@omx/queue';

import { outcomeText } from './outcome-text.ts';

/** Jobs of a batch for which the same reasons hold. */
export interface JobGroup {
  readonly title: string;
  count: number;
  /** The first of them, as spans of indexes. */
  readonly spans: { first: number; last: number }[];
  /** One of them, to explain all by. */
  readonly sample: JobSnapshot;
}

/** More spans are not shown. */
const mostSpans = 6;

/** Groups jobs as they are read; memory is bounded by the number of different ends, not of jobs. */
export class JobGroups {
  readonly #groups = new Map<string, JobGroup>();
  readonly #indexOf: (ordinal: number) => number;
  readonly #nodeName: (node: number) => string;
  readonly #now: number;

  constructor(options: {
    readonly indexOf: (ordinal: number) => number;
    readonly nodeName: (node: number) => string;
    readonly now: number;
  }) {
    this.#indexOf = options.indexOf;
    this.#nodeName = options.nodeName;
    this.#now = options.now;
  }

  add(snapshot: JobSnapshot): void {
    const title = this.#titleOf(snapshot);
    const index = this.#indexOf(snapshot.ordinal);
    const group = this.#groups.get(title);
    if (group === undefined) {
      this.#groups.set(title, { title, count: 1, spans: [{ first: index, last: index }], sample: snapshot });
      return;
    }
    group.count += 1;
    const open = group.spans.at(-1);
    if (open !== undefined && index === open.last + 1) open.last = index;
    else if (group.spans.length <= mostSpans) group.spans.push({ first: index, last: index });
  }

  /** What went wrong first, then what waits, what runs, what is well; larger groups before smaller. */
  all(): JobGroup[] {
    return [...this.#groups.values()].sort((a, b) => rank(a) - rank(b) || b.count - a.count);
  }

  #titleOf({ job }: JobSnapshot): string {
    switch (job.status) {
      case 'ended':
        if (job.outcome.kind !== 'cancelled') return outcomeText(job.outcome);
        if (job.startedAt !== undefined) return `${outcomeText(job.outcome)} while running`;
        return job.attempt === 0 ? 'cancelled before they began' : outcomeText(job.outcome);
      case 'queued':
        return job.queuedAt > this.#now ? 'queued for a retry' : 'queued';
      case 'held':
        return job.attempt === 0 ? 'held' : 'held, started before';
      case 'leased':
        return `about to start on ${this.#nodeName(job.node)}`;
      case 'running':
      case 'paused':
      case 'frozen':
        return `${job.status} on ${this.#nodeName(job.node)}`;
    }
  }
}

/** `b7.2,5-9 and more`. */
export function groupSelector(batch: string, group: JobGroup): string {
  const shown: Span[] = group.spans.slice(0, mostSpans);
  return `${batch}.${formatSpans(shown)}${group.spans.length > mostSpans ? ',…' : ''}`;
}

const ranks = ['lost', 'failed', 'cancelled', 'held', 'queued', 'frozen', 'paused', 'running', 'succeeded'];

function rank({ sample }: JobGroup): number {
  return ranks.indexOf(stateName(sample.job));
}
