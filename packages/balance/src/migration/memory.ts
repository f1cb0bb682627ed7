import { formatBytes } from '@omx/core';

import { type Accept, drawNearBest, type Proposal } from './proposal.ts';
import { type Candidate, mayGo, pace, type Round, type Standing } from './standing.ts';

/**
 * Memory ushering (Barak and Braverman): a node that pages is slower than any load makes it, so a node whose free memory
 * runs short sends jobs away until it has enough, to the least loaded of the nodes with room.
 *
 * @returns whether the round may go on
 */
export function relieveMemory(round: Round, random: () => number, accept: Accept): boolean {
  const short = [...round.standings.values()]
    .filter((standing) => standing.node.state === 'up' && missing(standing, round) > 0)
    .sort((a, b) => a.memFree / a.node.memTotal - b.memFree / b.node.memTotal);
  for (const from of short) {
    while (missing(from, round) > 0 && from.moving < round.policy.mostMovesOfNode) {
      const proposal = propose(from, round, random);
      if (proposal === undefined) break;
      if (!accept(proposal)) return false;
    }
  }
  return true;
}

/** Bytes that the node lacks to have what it should. */
function missing({ node, memFree, memGoing }: Standing, { policy }: Round): number {
  return policy.scarceMemory * node.memTotal - memFree - memGoing;
}

function propose(from: Standing, round: Round, random: () => number): Proposal | undefined {
  const { policy, targets } = round;
  const wanted = missing(from, round);
  for (const candidate of bySuitability(from.candidates, wanted)) {
    const { job } = candidate;
    const worth = (to: Standing): number =>
      mayGo(candidate, from, to, round) ? pace(to.node, to.coming + policy.stability * job.cpus) : 0;
    const to = drawNearBest(targets, worth, policy.nearEqual, random);
    if (to === undefined) continue;
    const { name, memTotal, memFree } = from.node;
    const reason = `${name} has only ${formatBytes(Math.max(0, memFree))} of its ${formatBytes(memTotal)} memory free, ${to.node.name} has room for the job’s ${formatBytes(job.rss)}`;
    return { job, from, to, cause: 'memory', reason };
  }
  return undefined;
}

/** First the smallest that is enough by itself, as it moves fastest; where none is, the largest. */
function bySuitability(candidates: readonly Candidate[], wanted: number): Candidate[] {
  const rested = candidates.filter(({ isTired }) => !isTired);
  const enough = rested.filter(({ job }) => job.rss >= wanted).sort((a, b) => a.job.rss - b.job.rss);
  const rest = rested.filter(({ job }) => job.rss < wanted && job.rss > 0).sort((a, b) => b.job.rss - a.job.rss);
  return [...enough, ...rest].slice(0, looked);
}

/** Of a node's jobs so many are tried; where none of them finds a place, the others hardly would. */
const looked = 8;
