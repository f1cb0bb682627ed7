import { type BatchId, type Job, stateName } from '@omx/core';
import { BatchStore, JobStore } from '@omx/queue';

import { type JobJson, jobsOf } from '../../kit/batches.ts';
import type { Ground } from './ground.ts';
import { executions } from './trace.ts';

/** What the queue says of a batch that has ended. */
export interface Account {
  readonly counts: Readonly<Record<string, number>>;
  readonly jobs: readonly JobAccount[];
}

export interface JobAccount {
  readonly id: string;
  /** As the command line shows it. */
  readonly shown: Pick<JobJson, 'state' | 'attempt' | 'outcome' | 'node'>;
  readonly record: Job;
  /** Earlier attempts that are kept, oldest first. */
  readonly history: readonly Job[];
  readonly output: string;
}

/** Reads it all: records as they are stored, and what the command line makes of them. */
export async function accountOf(ground: Ground, id: string): Promise<Account> {
  const batches = new BatchStore(ground.redis);
  const store = new JobStore(batches);
  const batch = await batches.load(id as BatchId);
  const snapshots = await store.read(
    batch,
    Array.from({ length: batch.total }, (_, at) => at),
  );
  const shown = await jobsOf(ground, id);
  const { counts } = (await ground.omx(['status', id, '--json'])).json();
  const output = await outputs(ground, id);
  const jobs = await Promise.all(
    snapshots.map(async ({ job: record, ordinal }): Promise<JobAccount> => {
      const view = shown[ordinal];
      if (view === undefined) throw new Error(`omx jobs ${id} shows ${shown.length} jobs of ${batch.total}`);
      const earlier = await store.history(batch, ordinal, record.attempt);
      return {
        id: view.id,
        shown: view,
        record,
        history: earlier.map(({ job }) => job),
        output: output.get(view.id) ?? '',
      };
    }),
  );
  return { counts, jobs };
}

async function outputs(ground: Ground, id: string): Promise<Map<string, string>> {
  const { jsonLines } = await ground.omx(['logs', id, '--json']);
  const found = new Map<string, string>();
  for (const piece of jsonLines<{ id: string; text: string }>())
    found.set(piece.id, (found.get(piece.id) ?? '') + piece.text);
  return found;
}

export interface Expected {
  /** Jobs that fail once by themselves and have one retry for that. */
  readonly flaky?: boolean;
  /** Times need not fit each other: the clock of a node was set, which its shepherd did not see. */
  readonly clockWasSet?: boolean;
  /** Jobs need not succeed, and what they print may be lost: a node's disk was full. */
  readonly diskWasFull?: boolean;
}

/** What is wrong with an account, in words, beside the trace of what really ran; nothing is as it must be. */
export function falseEntries(
  { counts, jobs }: Account,
  trace: readonly string[],
  { flaky = false, clockWasSet = false, diskWasFull = false }: Expected = {},
): string[] {
  const ran = executions(trace);
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  return [
    ...(total === jobs.length ? [] : [`the counts (${JSON.stringify(counts)}) are not those of ${jobs.length} jobs`]),
    ...jobs.flatMap((job) => {
      const runs = ran.filter((run) => run.job === job.id);
      return [
        ...outcomeProblems(job, diskWasFull),
        ...attemptProblems(job, Math.max(0, ...runs.map(({ attempt }) => attempt))),
        ...(clockWasSet ? [] : timeProblems(job)),
        ...chargeProblems(job, flaky),
        ...evidenceProblems(job, runs, diskWasFull),
      ].map((problem) => `${job.id}: ${problem}`);
    }),
  ];
}

function outcomeProblems({ shown, record }: JobAccount, mayFail: boolean): string[] {
  if (record.status !== 'ended') return [`it has not ended but is ${record.status} (attempt ${record.attempt})`];
  return [
    ...(mayFail || record.outcome.kind === 'succeeded' ? [] : [`it ended as ${JSON.stringify(record.outcome)}`]),
    ...(shown.state === stateName(record) ? [] : [`it is shown as ${shown.state} but is ${stateName(record)}`]),
  ];
}

function attemptProblems({ record, history }: JobAccount, newestRun: number): string[] {
  const all = [...history, record];
  return [
    ...all.flatMap((job, at) => {
      const earlier = all[at - 1];
      return [
        ...(job.status === 'ended' ? [] : [`attempt ${job.attempt} is kept as ${job.status}`]),
        ...(earlier === undefined || earlier.attempt < job.attempt
          ? []
          : [`attempt ${job.attempt} comes after ${earlier.attempt}`]),
      ];
    }),
    ...(newestRun > record.attempt ? [`attempt ${newestRun} has run, and the record knows ${record.attempt}`] : []),
  ];
}

function timeProblems({ record, history }: JobAccount): string[] {
  const all = [...history, record];
  return all.flatMap((job, at) => {
    const earlier = all[at - 1];
    const times = timesOf(job);
    return [
      ...(times.every((time, n) => n === 0 || (times[n - 1] ?? 0) <= time)
        ? []
        : [`attempt ${job.attempt} has its times in a wrong order: ${times.join(', ')}`]),
      ...(earlier === undefined || (timesOf(earlier).at(-1) ?? 0) <= (times[0] ?? Infinity)
        ? []
        : [`attempt ${job.attempt} began before ${earlier.attempt} had ended`]),
    ];
  });
}

/** Start, where there was one, and end, milliseconds since the epoch. */
function timesOf(job: Job): number[] {
  return [
    ...('startedAt' in job && job.startedAt !== undefined ? [job.startedAt] : []),
    ...(job.status === 'ended' ? [job.endedAt] : []),
  ];
}

/** A failure of its own may be excused, where the node was to blame; the death of a node is never charged. */
function chargeProblems({ record, history }: JobAccount, flaky: boolean): string[] {
  const own = history.filter((job) => job.status === 'ended' && job.outcome.kind === 'exited').length;
  if (record.retries <= own && own <= (flaky ? 1 : 0)) return [];
  return [`${record.retries} retries are charged; it failed by itself ${own} times`];
}

/** The attempt that counts came to its end, and the output is what that attempt printed. */
function evidenceProblems(
  { record, output }: JobAccount,
  runs: readonly { attempt: number; ended: boolean }[],
  linesMayBeLost: boolean,
): string[] {
  if (record.status !== 'ended' || record.outcome.kind !== 'succeeded') return [];
  const counted = runs.find(({ attempt }) => attempt === record.attempt);
  const printed = ['begin', 'done'].map((word) => `${word} ${record.attempt}`);
  const found = output
    .split(/\n/)
    .slice(0, -1)
    .map((line) => line.replace(/ \d+ /, ' '));
  const expected = linesMayBeLost ? printed.filter((line) => found.includes(line)) : printed;
  return [
    ...(counted?.ended === true ? [] : [`attempt ${record.attempt} succeeded, and did not come to its end`]),
    ...(found.join() === expected.join()
      ? []
      : [`its output is not that of attempt ${record.attempt}: ${JSON.stringify(output)}`]),
  ];
}

/** Output of attempts that stays on the node that ran them, by its path in the node's folder. */
export function outputsKept({ jobs }: Account): string[] {
  return jobs.flatMap(({ id, record, history }) =>
    [...history, record].flatMap((job) => {
      if (job.status !== 'ended' || job.output.place !== 'node') return [];
      const stem = `out/${id.replace('.', '/')}.${job.attempt}`;
      return [`${stem}.out`, `${stem}.err`];
    }),
  );
}
