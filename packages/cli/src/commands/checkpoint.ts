import { ExitCode, OmxError } from '@omx/core';
import { isRefusal } from '@omx/queue';

import { askEach, type Done } from '../acting/ask-nodes.ts';
import { type RunningJob, runningJobs } from '../acting/running-jobs.ts';
import { targetsOf } from '../acting/selected.ts';
import { imageText, stillText } from '../acting/wording.ts';
import { type Io, say } from '../io.ts';
import { stopSignal } from '../output/stop-signal.ts';
import { secondsOfMs } from '../render/times.ts';
import { jobFilter, type StateFilter } from '../select.ts';
import { type QueueOptions, type Session, withSession } from '../session.ts';

interface CheckpointOptions extends QueueOptions, StateFilter {
  readonly json?: boolean;
}

/** As long as a move. */
const longestMs = 3_600_000;

/** `omx checkpoint`: an image of each running job is kept on another node, from which it goes on should its own die. */
export async function checkpoint(io: Io, selectors: readonly string[], options: CheckpointOptions): Promise<number> {
  jobFilter(options);
  return withSession(io, options, async (session) => {
    const { jobs, refused } = await runningJobs(session, await targetsOf(session, selectors, options));
    if (jobs.length + refused.length === 0) {
      if (options.json !== true) say(io, 'nothing to keep an image of: none of these jobs runs');
      return ExitCode.jobsFailed;
    }
    const stop = stopSignal(io);
    try {
      const all = await askEach(io, jobs, refused, async (job) => keep(session, job), {
        verb: 'checkpointed',
        json: options.json === true,
        signal: stop.signal,
      });
      if (stop.exitCode() === ExitCode.interrupted) say(io, 'no longer waiting; an image that is being made is kept');
      return stop.exitCode() ?? (all ? ExitCode.ok : ExitCode.jobsFailed);
    } finally {
      stop.release();
    }
  });
}

async function keep(session: Session, { batch, ordinal, attempt, node }: RunningJob): Promise<Done> {
  const request = { type: 'checkpoint', batch, ordinal, attempt } as const;
  const answer = await session.asker().askJson(node, request, longestMs);
  if (isRefusal(answer)) {
    const { refused, hint } = answer;
    throw new OmxError(refused, { code: 'CHECKPOINT_REFUSED', ...(hint === undefined ? {} : { hint }) });
  }
  const { node: keeper, pauseMs, bytes } = answer;
  return {
    text: `: image of ${imageText(bytes)} kept on ${keeper}; stood still for ${stillText(pauseMs)}`,
    json: { node, keeper, pause: secondsOfMs(pauseMs), bytes },
  };
}
