import { evenEnds } from './ends.ts';
import { advance, type Assignment, type MigrationHistory } from './history.ts';
import { relieveProcessors } from './processors.ts';
import { relieveMemory } from './memory.ts';
import { defaultMigrationPolicy, type MigrationPolicy, moveTime } from './policy.ts';
import type { Snapshot } from './snapshot.ts';
import { openRound, ownLoads, pairOf, type Round, type Standing } from './standing.ts';
import type { Proposal } from './proposal.ts';

/** One job that is to be moved, and why. */
export interface Migration {
  readonly job: string;
  readonly from: string;
  readonly to: string;
  /** What the move is for: memory, crowded processors, a faster node, or that all end at about the same time. */
  readonly cause: 'memory' | 'crowded' | 'slow' | 'late';
  /** A sentence for `omx why` and the events. */
  readonly reason: string;
  /** How long the job will stand still, milliseconds; an estimate. */
  readonly costMs: number;
}

export interface MigrationRound {
  readonly migrations: readonly Migration[];
  /** To be given to the next round. */
  readonly history: MigrationHistory;
}

export interface DecideOptions {
  /** Milliseconds; any clock that is not set back. The jobs' `lastMovedAt` is on it. */
  readonly now: number;
  /** Draws among nodes that are as good: 0 up to 1. Two deciders should not draw the same. */
  readonly random: () => number;
  readonly policy?: Partial<MigrationPolicy>;
}

/**
 * Which running jobs are to be moved where, in one round of about a second. Memory first: a node that runs short of it
 * sends a job to one with room, even if loads get uneven. Then the processors: from the most crowded or slowest node on,
 * a job moves where it gets on clearly faster, the time it stands still included. Last, where it is
 * known how long jobs run, the ends: nodes that share their processors are to be done at about the same time. Nothing is decided for a job that has
 * been moved lately, that has just begun or is about to end; nor to a node that is not up, has the home role, is not
 * among the job's places or has no room for its memory. Pure: what it says depends on its arguments alone.
 */
export function decide(snapshot: Snapshot, before: MigrationHistory, options: DecideOptions): MigrationRound {
  const { now, random } = options;
  const policy = { ...defaultMigrationPolicy, ...options.policy };
  const history = advance(before, snapshot, ownLoads(snapshot.jobs), now, policy);
  const round = openRound(snapshot, history, now, policy);
  const migrations: Migration[] = [];
  const assignments = new Map<string, Assignment>(history.assignments);
  const accept = (proposal: Proposal): boolean => {
    const { job, from, to, cause, reason } = proposal;
    carryOut(round, from, to, proposal);
    const [source, target] = [from.node.name, to.node.name];
    migrations.push({
      job: job.id,
      from: source,
      to: target,
      cause,
      reason,
      costMs: Math.ceil(moveTime(job.rss, policy)),
    });
    assignments.set(job.id, { from: source, to: target, at: now, isDone: false });
    return migrations.length < policy.mostMoves;
  };
  if (relieveMemory(round, random, accept) && relieveProcessors(round, random, accept)) evenEnds(round, accept);
  return { migrations, history: { ...history, assignments } };
}

function carryOut(round: Round, from: Standing, to: Standing, { job }: Proposal): void {
  from.send(job);
  to.take(job);
  from.candidates.splice(
    from.candidates.findIndex((candidate) => candidate.job === job),
    1,
  );
  round.recentPairs.set(pairOf(from.node.name, to.node.name), round.now);
}
