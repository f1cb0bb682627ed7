import type { Cluster } from '../kit/cluster/cluster.ts';
import { type Execution, executions, liveTwice } from '../kit/cluster/live-twice.ts';
import { type Living, living } from '../kit/cluster/living.ts';
import { fixture } from '../kit/ran.ts';
import { submit } from '../kit/batches.ts';
import { until } from '../kit/until.ts';

/** A batch whose jobs leave traces of their lives. */
export interface Ticking {
  readonly id: string;
  /** Processes that have begun, in that order. */
  readonly begun: () => Execution[];
  /** What became of them, as 'attempt 1 ended'. */
  readonly histories: () => string[];
  readonly twice: () => string[];
  readonly living: () => Living[];
  /** Waits until so many processes have begun. */
  readonly hasBegun: (count: number, timeoutMs?: number) => Promise<Execution[]>;
  /** Waits until an attempt of a job has begun. */
  readonly attempt: (job: string, attempt: number, timeoutMs?: number) => Promise<Execution>;
}

/** Submits jobs that run for so many seconds each. */
export async function submitTicking(
  { omx, shared }: Pick<Cluster, 'omx' | 'shared'>,
  { jobs, seconds, args = [] }: { readonly jobs: number; readonly seconds: number; readonly args?: readonly string[] },
): Promise<Ticking> {
  const trace = `${shared}/trace`;
  const command = [fixture('tick'), trace, String(seconds * 10)];
  const id = await submit({ omx }, ['--array', `1-${jobs}`, '--env', `TRACES=${shared}`, ...args, '--', ...command]);
  const begun = (): Execution[] => executions(trace);
  return {
    id,
    begun,
    histories: () => begun().map(({ attempt, ended }) => `attempt ${attempt} ${ended ? 'ended' : 'went away'}`),
    twice: () => liveTwice(trace),
    living: () => living(shared, id),
    hasBegun: async (count, timeoutMs = 20_000) => until(begun, { is: (found) => found.length >= count, timeoutMs }),
    attempt: async (job, attempt, timeoutMs = 30_000) =>
      until(() => begun().find((each) => each.job === job && each.attempt === attempt), { timeoutMs }),
  };
}
