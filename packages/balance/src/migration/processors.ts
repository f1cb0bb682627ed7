import { type Accept, drawNearBest, type Proposal } from './proposal.ts';
import { moveTime } from './policy.ts';
import type { BalancedJob } from './snapshot.ts';
import { mayGo, pace, type Round, type Standing } from './standing.ts';

/** Of a node's jobs so many are tried. */
const looked = 8;

/**
 * From the node on, where jobs get on slowest: one job after the other goes where it gets on clearly faster. Nodes take
 * turns, so that one crowded node does not use up the round.
 *
 * @returns whether the round may go on
 */
export function relieveProcessors(round: Round, random: () => number, accept: Accept): boolean {
  const { standings, policy } = round;
  const slowness = ({ node, lasting }: Standing): number => pace(node, lasting);
  let sources = [...standings.values()]
    .filter(({ node, candidates }) => node.state === 'up' && candidates.length > 0)
    .sort((a, b) => slowness(a) - slowness(b));
  while (sources.length > 0) {
    const willing: Standing[] = [];
    for (const from of sources) {
      if (from.moving >= policy.mostMovesOfNode) continue;
      const proposal = propose(from, round, random);
      if (proposal === undefined) continue;
      if (!accept(proposal)) return false;
      willing.push(from);
    }
    sources = willing;
  }
  return true;
}

function propose(from: Standing, round: Round, random: () => number): Proposal | undefined {
  const { policy, targets } = round;
  const here = pace(from.node, from.lasting);
  if (!targets.some((to) => to !== from && pace(to.node, to.coming) > here)) return undefined;
  const movable = from.candidates
    .filter(({ job }) => job.cpus >= policy.leastCpus)
    .map((candidate) => ({ ...candidate, remaining: remainingMs(candidate.job, from, here) }))
    .filter(({ remaining }) => remaining >= policy.leastMs)
    // Those that profit longest, then those that have moved least: the burden of moving is shared.
    .sort((a, b) => b.remaining - a.remaining || a.job.moves - b.job.moves)
    .slice(0, looked);
  for (const candidate of movable) {
    const { job, remaining } = candidate;
    const worth = (to: Standing): number => {
      if (!mayGo(candidate, from, to, round)) return 0;
      const careful = pace(to.node, to.coming + policy.stability * job.cpus);
      return careful > here && isClear(job, from, to, here, remaining, round) ? careful : 0;
    };
    const to = drawNearBest(targets, worth, policy.nearEqual, random);
    if (to !== undefined) return explain(job, from, to, here);
  }
  return undefined;
}

/**
 * What a job has still to go if it stays, milliseconds. Nothing learned: as long as it has run, as lifetimes of processes
 * have no memory of their scale (Harchol-Balter and Downey, 1997). One that is over what was learned, by as much again.
 */
function remainingMs({ ageMs, cpus, cpuMs, expectedCpuMs }: BalancedJob, from: Standing, here: number): number {
  if (cpuMs === undefined || expectedCpuMs === undefined) return ageMs;
  return Math.abs(expectedCpuMs - cpuMs) / (cpus * (here / from.node.speed));
}

/**
 * Either the job itself gains the factor it should, standing still included; or it puts processors to use that are idle,
 * and what they do more outweighs what the job loses while it stands still, so that it does not end later either. The second
 * counts on large nodes, where one job too many makes little difference to each.
 */
function isClear(
  job: BalancedJob,
  from: Standing,
  to: Standing,
  here: number,
  remaining: number,
  { policy }: Round,
): boolean {
  const cost = moveTime(job.rss, policy);
  const there = pace(to.node, to.coming + job.cpus);
  const faster = remaining / (cost + (remaining * here) / there);
  if (faster >= policy.clearGain) return true;
  if (faster < 1) return false;
  // While its load still rises the job alone may want more than what has lasted.
  const lasting = Math.max(from.lasting, job.cpus);
  const won = work(to, to.coming + job.cpus) - work(to, to.coming);
  const lost = work(from, lasting) - work(from, lasting - job.cpus);
  const before = job.cpus * here;
  return (won - lost) * remaining - before * cost >= (policy.clearGain - 1) * before * remaining;
}

/** What the node gets done under that load, in CPUs of speed 1. */
function work({ node }: Standing, load: number): number {
  return node.speed * Math.min(node.cpus, Math.max(0, load));
}

function explain(job: BalancedJob, from: Standing, to: Standing, here: number): Proposal {
  const times = (pace(to.node, to.coming + job.cpus) / here).toFixed(1);
  const { name, cpus, externalLoad } = from.node;
  if (from.lasting > cpus) {
    const others = externalLoad >= 0.1 ? `, ${externalLoad.toFixed(1)} of them by others` : '';
    const crowd = `${from.lasting.toFixed(1)} CPUs are wanted of the ${Number(cpus.toFixed(1))} of ${name}${others}`;
    return {
      job,
      from,
      to,
      cause: 'crowded',
      reason: `${crowd}; on ${to.node.name} it gets on ${times} times as fast`,
    };
  }
  return { job, from, to, cause: 'slow', reason: `${to.node.name} is ${times} times as fast as ${name}` };
}
