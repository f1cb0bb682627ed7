import { ExitCode, isOmxError, type NodeInfo, OmxError } from '@omx/core';
import { isLabelled, isMoved, isNamed, isRefusal, MoveLog, requirementOf } from '@omx/queue';

import { askEach, type Done } from '../acting/ask-nodes.ts';
import { type Objection, type RunningJob, runningJobs, sameNode } from '../acting/running-jobs.ts';
import { targetsOf } from '../acting/selected.ts';
import { imageText, stillText } from '../acting/wording.ts';
import { type Io, say } from '../io.ts';
import { stopSignal } from '../output/stop-signal.ts';
import { secondsOfMs } from '../render/times.ts';
import { jobFilter, type StateFilter } from '../select.ts';
import { type QueueOptions, type Session, withSession } from '../session.ts';

interface MigrateOptions extends QueueOptions, StateFilter {
  readonly to: string;
  readonly json?: boolean;
}

/** A job of hundreds of gigabytes takes its time; a node that ends meanwhile is noticed. */
const longestMoveMs = 3_600_000;

/** `omx migrate`: running jobs go on at another node. */
export async function migrate(io: Io, selectors: readonly string[], options: MigrateOptions): Promise<number> {
  jobFilter(options);
  const { to } = options;
  return withSession(io, options, async (session) => {
    const targets = await targetsOf(session, selectors, options);
    const target = await session.nodes.find(to);
    checkTarget(target);
    const nodes = await session.nodes.list();
    const { jobs, refused } = await runningJobs(session, targets, objectionTo(target, nodes));
    if (jobs.length + refused.length === 0) {
      if (options.json !== true) say(io, `nothing to move: none of these jobs runs, or they are on ${to} already`);
      return ExitCode.jobsFailed;
    }
    const stop = stopSignal(io);
    try {
      const all = await askEach(io, jobs, refused, async (job) => move(session, job, to), {
        verb: 'moved',
        json: options.json === true,
        signal: stop.signal,
      });
      if (stop.exitCode() === ExitCode.interrupted)
        say(io, 'no longer waiting; a job that is being moved goes on, here or there (omx jobs shows where)');
      return stop.exitCode() ?? (all ? ExitCode.ok : ExitCode.jobsFailed);
    } finally {
      stop.release();
    }
  });
}

async function move(session: Session, job: RunningJob, to: string): Promise<Done> {
  const { batch, ordinal, attempt, node } = job;
  const request = { type: 'migrate', batch, ordinal, attempt, to, why: 'omx migrate' } as const;
  const answer = await session
    .asker()
    .askJson(node, request, longestMoveMs)
    .catch(async (error: unknown) => {
      const moved = isOmxError(error) ? await hasMoved(session, job, to) : undefined;
      if (moved === undefined) throw error;
      return moved;
    });
  if (isRefusal(answer)) {
    const { refused, hint } = answer;
    throw new OmxError(refused, { code: 'MOVE_REFUSED', ...(hint === undefined ? {} : { hint }) });
  }
  const { pauseMs, bytes } = answer;
  return {
    text: ` moved from ${node} to ${to}: stood still for ${stillText(pauseMs)}, ${imageText(bytes)}`,
    json: { from: node, to, pause: secondsOfMs(pauseMs), bytes },
  };
}

/** Of a node that ended before it answered: the log of moves may know more. */
async function hasMoved(
  session: Session,
  { batch, ordinal, attempt, node }: RunningJob,
  to: string,
): Promise<{ readonly pauseMs: number; readonly bytes: number } | undefined> {
  const newest = (await new MoveLog(session.redis).ofJob(batch, ordinal)).findLast(isMoved);
  return newest?.attempt === attempt && newest.from === node && newest.to === to ? newest : undefined;
}

/** @throws OmxError where the node takes no running jobs at all */
function checkTarget({ name, state, reason, role, launchers, trying }: NodeInfo): void {
  const because = reason === '' ? '' : ` (${reason})`;
  const states: Readonly<Record<NodeInfo['state'], readonly [string, string] | undefined>> = {
    up: undefined,
    down: ['it is down', `start its worker again: on ${name}, omx worker --name ${name}`],
    draining: [`it is being drained${because}`, `omx undrain ${name} lets it take jobs`],
    drained: [`it is drained${because}`, `omx undrain ${name} lets it take jobs`],
    quarantined: [`it is in quarantine${because}`, `omx undrain ${name} ends that`],
  };
  const others = 'omx nodes shows the others';
  const problem =
    states[state] ??
    (role === 'home' ? ['it is a home node, which takes no jobs', others] : undefined) ??
    (launchers.includes('criu') ? undefined : noCriu(name, trying));
  if (problem === undefined) return;
  throw new OmxError(`no job can move to ${name}: ${problem[0]}`, {
    code: 'TARGET_UNFIT',
    exitCode: ExitCode.jobsFailed,
    hint: problem[1],
  });
}

function noCriu(name: string, trying: NodeInfo['trying']): readonly [string, string] {
  return trying?.includes('criu') === true
    ? ['its worker has just started, and still tries out whether CRIU works there', 'ask again in a moment']
    : ['it has no CRIU that works', `on ${name}, omx doctor says why, and omx doctor --fix gets it`];
}

function objectionTo(target: NodeInfo, nodes: readonly NodeInfo[]): Objection {
  return ({ id, node }, { batch }) => {
    if (node === target.name)
      return new OmxError(`it runs there already: ${node} is the same node`, { code: sameNode });
    const source = nodes.find(({ name }) => name === node);
    if (source !== undefined && source.arch !== target.arch)
      return new OmxError(
        `it runs on a processor of the kind ${source.arch}, and that of ${target.name} is ${target.arch}`,
        {
          code: 'OTHER_ARCHITECTURE',
          hint: `choose a node that is ${source.arch}: omx nodes --json has the arch of each`,
        },
      );
    const wants = requirementOf(batch.spec);
    if (!isNamed(wants, target))
      return new OmxError(`it may not run on ${target.name}: its batch asks for --node ${wants.nodes.join(',')}`, {
        code: 'NODE_NOT_ASKED_FOR',
        hint: wants.nodes.some((name) => name !== node)
          ? 'move it to one of those, or submit it again without --node'
          : 'submit it again without --node, or with more nodes',
      });
    if (isLabelled(wants, target)) return undefined;
    const labels = Object.entries(wants.labels).map(([key, value]) => `--label ${key}=${value}`);
    return new OmxError(`it may not run on ${target.name}: its batch asks for ${labels.join(' ')}`, {
      code: 'NODE_NOT_ASKED_FOR',
      hint: `omx nodes shows the labels; omx why ${id} says where it may run`,
    });
  };
}
