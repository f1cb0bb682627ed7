import {
  type Batch,
  type BatchId,
  countSpans,
  eachOf,
  ExitCode,
  indexOf,
  isFailure,
  type Job,
  jobCount,
  OmxError,
  ordinalOf,
  parseBatchId,
  parseSpans,
  type Span,
  spansOf,
  stateName,
  usageError,
} from '@omx/core';

import type { Session } from './session.ts';

/** Jobs a selector names: of one batch, by ordinal. */
export interface Selection {
  readonly batch: Batch;
  readonly spans: readonly Span[];
  /** The selector named the batch and not some of its jobs. */
  readonly whole: boolean;
}

/** Reads selectors (`b7`, `7`, `b7.3`, `b7.1-9,12`, `last`, `all`) in the order given. */
export async function select(session: Session, selectors: readonly string[]): Promise<Selection[]> {
  const selections: Selection[] = [];
  for (const selector of selectors) selections.push(...(await selectOne(session, selector)));
  return selections;
}

async function selectOne(session: Session, selector: string): Promise<Selection[]> {
  if (selector === 'all') {
    const ids = (await session.batches.newest(Number.MAX_SAFE_INTEGER)).toReversed();
    return Promise.all(ids.map(async (id) => wholeBatch(await session.batches.load(id))));
  }
  const match = /^(last|b?\d+)(?:\.([\d,-]+))?$/.exec(selector);
  if (match === null) {
    throw usageError(
      `'${selector}' does not select a batch or a job`,
      'selectors are b7, 7, b7.3, b7.1-9,12, last and all',
    );
  }
  const batch = await session.batches.load(match[1] === 'last' ? await newest(session) : parseBatchId(match[1] ?? ''));
  return [match[2] === undefined ? wholeBatch(batch) : { batch, spans: ordinalSpans(batch, match[2]), whole: false }];
}

async function newest(session: Session): Promise<BatchId> {
  const [id] = await session.batches.newest(1);
  if (id === undefined) {
    throw new OmxError('there is no batch yet', {
      code: 'NO_SUCH_BATCH',
      exitCode: ExitCode.notFound,
      hint: 'omx submit -- COMMAND makes one',
    });
  }
  return id;
}

function wholeBatch(batch: Batch): Selection {
  return { batch, spans: [{ first: 0, last: batch.total - 1 }], whole: true };
}

/** Indexes as typed to ordinals. Numbers a range skips over are no error; a number or range without any job is. */
function ordinalSpans(batch: Batch, indexes: string): Span[] {
  const { jobs } = batch.spec;
  return parseSpans(indexes).flatMap((typed) => {
    const span = { first: Math.min(typed.first, typed.last), last: Math.max(typed.first, typed.last) };
    const spans = jobs.kind === 'array' ? arraySpans(batch, span) : listSpans(jobCount(jobs), span);
    if (spans.length === 0) {
      const name =
        span.first === span.last ? `job ${batch.id}.${span.first}` : `job in ${batch.id}.${span.first}-${span.last}`;
      const last = indexOf(jobs, batch.total - 1);
      throw new OmxError(`there is no ${name}`, {
        code: 'NO_SUCH_JOB',
        exitCode: ExitCode.notFound,
        hint: `${batch.id} has ${batch.total} ${batch.total === 1 ? 'job' : 'jobs'}, ${indexOf(jobs, 0)} to ${last}`,
      });
    }
    return spans;
  });
}

function listSpans(total: number, { first, last }: Span): Span[] {
  const low = Math.max(first, 1);
  const high = Math.min(last, total);
  return low > high ? [] : [{ first: low - 1, last: high - 1 }];
}

function arraySpans(batch: Batch, span: Span): Span[] {
  const { jobs } = batch.spec;
  // The shorter way round: try each number of a short range, or each job of a small batch.
  const candidates =
    countSpans([span]) <= batch.total
      ? [...eachOf([span])].map((index) => ordinalOf(jobs, index))
      : allBetween(batch, span);
  return spansOf(candidates.filter((ordinal) => ordinal !== undefined));
}

function allBetween(batch: Batch, span: Span): number[] {
  return Array.from({ length: batch.total }, (_, ordinal) => ordinal).filter((ordinal) => {
    const index = indexOf(batch.spec.jobs, ordinal);
    return index >= span.first && index <= span.last;
  });
}

/** What `--state` and `--failed` leave. */
export interface StateFilter {
  readonly state?: string;
  readonly failed?: boolean;
}

const stateWords = [
  ...['held', 'queued', 'leased', 'running', 'paused', 'frozen', 'ended'],
  ...['succeeded', 'failed', 'exited', 'signalled', 'timed-out', 'oom', 'cancelled', 'not-started', 'lost'],
];

/** Whether a job passes. `failed` stands for every way a program itself can fail; each outcome has its own word too. */
export function jobFilter(filter: StateFilter): (job: Job) => boolean {
  const words = new Set(filter.state === undefined ? [] : filter.state.split(',').map((word) => word.trim()));
  for (const word of words) {
    if (!stateWords.includes(word))
      throw usageError(`there is no state '${word}'`, `states are ${stateWords.join(', ')}`);
  }
  if (filter.failed !== true && words.size === 0) return () => true;
  return (job) => {
    if (filter.failed === true && job.status === 'ended' && isFailure(job.outcome.kind)) return true;
    return (
      words.has(stateName(job)) || words.has(job.status) || (job.status === 'ended' && words.has(job.outcome.kind))
    );
  };
}

/** Only failed blocks need to be read when nothing but failures can pass. */
export function failuresOnly(filter: StateFilter): boolean {
  const words = filter.state?.split(',') ?? [];
  return (
    (filter.failed === true || words.length > 0) &&
    words.every((word) =>
      ['failed', 'exited', 'signalled', 'timed-out', 'oom', 'not-started', 'lost'].includes(word.trim()),
    )
  );
}
