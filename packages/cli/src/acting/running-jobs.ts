import { type BatchId, indexOf, type Job, jobId, type LauncherName, OmxError } from '@omx/core';

import type { Session } from '../session.ts';
import { outcomeText } from '../why/outcome-text.ts';
import type { Target } from './selected.ts';
import { touchedSpans } from './untouched.ts';

/** A job that a node holds and can be asked about. */
export interface RunningJob {
  /** `b7.3` */
  readonly id: string;
  readonly batch: BatchId;
  readonly ordinal: number;
  readonly attempt: number;
  readonly node: string;
}

/** A job that was named, and cannot be had. */
export interface RefusedJob {
  readonly id: string;
  readonly error: OmxError;
}

/** What is wrong with a job that runs; undefined: nothing. */
export type Objection = (job: RunningJob, target: Target) => OmxError | undefined;

/**
 * The jobs of the targets that run under CRIU. Of a job that was named itself it is said why it is not among them; a whole
 * batch of several, one narrowed by `--state`, and `all` stand for those of their jobs that run and to which nobody objects.
 */
export async function runningJobs(
  session: Session,
  targets: readonly Target[],
  objection: Objection = () => undefined,
): Promise<{ readonly jobs: RunningJob[]; readonly refused: RefusedJob[] }> {
  const jobs: RunningJob[] = [];
  const refused: RefusedJob[] = [];
  for (const target of targets) {
    const { batch, passes, narrowed, isOneOfAll, whole } = target;
    const named = !narrowed && !isOneOfAll && (!whole || batch.total === 1);
    const names = await session.batches.nodeNames(batch.id);
    for await (const snapshots of session.jobs.scan(batch, await touchedSpans(session, target))) {
      for (const { job, ordinal } of snapshots) {
        if (!passes(job)) continue;
        const id = jobId(batch.id, indexOf(batch.spec.jobs, ordinal));
        const node = 'node' in job && job.node !== undefined ? (names.get(job.node) ?? `node ${job.node}`) : '';
        const running = { id, batch: batch.id, ordinal, attempt: job.attempt, node };
        const idle = notRunning(id, job, node);
        const error = idle ?? wrongLauncher(running, job) ?? frozen(running, job) ?? objection(running, target);
        if (error === undefined) jobs.push(running);
        else if (named || (idle === undefined && error.code !== sameNode)) refused.push({ id, error });
      }
    }
  }
  return { jobs, refused };
}

/** The code of an objection that there is nothing left to do. */
export const sameNode = 'SAME_NODE';

function notRunning(id: string, job: Job, node: string): OmxError | undefined {
  const idle = (why: string, hint: string): OmxError => new OmxError(why, { code: 'JOB_NOT_RUNNING', hint });
  switch (job.status) {
    case 'queued':
      return idle('it does not run: it waits in the queue', `omx why ${id} says what for`);
    case 'held':
      return idle('it does not run: it is held back', `omx release ${id} lets it go`);
    case 'leased':
      return idle(`it does not run yet: ${node} is about to start it`, 'try again in a moment');
    case 'ended':
      return idle(`it does not run any more: ${outcomeText(job.outcome)}`, `omx rerun ${id} runs it again`);
    case 'running':
    case 'paused':
    case 'frozen':
      return undefined;
  }
}

/** By its user, that is; on its way to another node it is so for a moment. */
function frozen({ id, node }: RunningJob, { status, wish }: Job): OmxError | undefined {
  if (status !== 'frozen' || wish !== 'freeze') return undefined;
  return new OmxError(`it is frozen (omx pause --freeze), and stays on the disk of ${node} until it goes on there`, {
    code: 'JOB_FROZEN',
    hint: `omx resume ${id} lets it go on; then try again`,
  });
}

function wrongLauncher({ id, node }: RunningJob, job: Job): OmxError | undefined {
  const launcher: LauncherName = ('launcher' in job ? job.launcher : undefined) ?? 'plain';
  switch (launcher) {
    case 'criu':
      return undefined;
    case 'plain':
      return new OmxError('it was started by the launcher plain, and nobody can freeze or move such a job', {
        code: 'LAUNCHER_PLAIN',
        hint: `submit it with --launcher criu; this one can only be ended there (omx cancel ${id}) and run again (omx rerun ${id})`,
      });
    case 'mosrun':
      return new OmxError('it was started by mosrun: the cluster’s kernel moves it, not omx', {
        code: 'LAUNCHER_MOSRUN',
        hint: `on ${node}, with the process id of the job: migrate PID NODE (openMosix, MOSIX 2) or mosmigrate PID NODE (MOSIX 3 and 4)`,
      });
  }
}
