import { errorOf, isOmxError, OmxError } from '@omx/core';

import { type Io, say, writeJson, writeLine } from '../io.ts';
import { oneLine } from '../render/table.ts';
import type { RefusedJob, RunningJob } from './running-jobs.ts';

/** What became of a job, as a line for people and as fields of JSON. */
export interface Done {
  readonly text: string;
  readonly json: Readonly<Record<string, unknown>>;
}

interface AskOptions {
  /** What a refused job was not: `moved`. */
  readonly verb: string;
  readonly json: boolean;
  readonly signal: AbortSignal;
}

/**
 * Asks the nodes that have the jobs, of each node one job after the other, several nodes side by side; tells of each job
 * as it is done.
 * @returns whether all of it was done
 */
export async function askEach(
  io: Io,
  jobs: readonly RunningJob[],
  refused: readonly RefusedJob[],
  ask: (job: RunningJob) => Promise<Done>,
  options: AskOptions,
): Promise<boolean> {
  let failed = refused.length;
  for (const { id, error } of refused) await tellRefused(io, id, error, options);
  const byNode = new Map<string, RunningJob[]>();
  for (const job of jobs) byNode.set(job.node, [...(byNode.get(job.node) ?? []), job]);
  const ofNode = async (list: readonly RunningJob[]): Promise<void> => {
    for (const job of list) {
      if (options.signal.aborted) return;
      try {
        const { text, json } = await ask(job);
        if (options.signal.aborted) return;
        await (options.json ? writeJson(io, { id: job.id, ...json }) : writeLine(io, `${job.id}${text}`));
      } catch (error) {
        failed += 1;
        if (!options.signal.aborted) await tellRefused(io, job.id, asOmxError(error), options);
      }
    }
  };
  const stopped = new Promise<void>((resolve) => {
    options.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  // Whoever stops is not kept by a node that is at work.
  await Promise.race([Promise.all([...byNode.values()].map(ofNode)), stopped]);
  return failed === 0;
}

async function tellRefused(io: Io, id: string, error: OmxError, { verb, json }: AskOptions): Promise<void> {
  const { code, message, hint } = error;
  if (json) await writeJson(io, { id, error: { code, message, ...(hint === undefined ? {} : { hint }) } });
  else {
    say(io, `error: ${id} was not ${verb}: ${oneLine(message)}`);
    if (hint !== undefined) say(io, `hint:  ${oneLine(hint)}`);
  }
}

function asOmxError(thrown: unknown): OmxError {
  if (isOmxError(thrown)) return thrown;
  throw errorOf(thrown);
}
