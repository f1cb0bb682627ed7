import type { Accept, Proposal } from './proposal.ts';
import { type MigrationPolicy, moveTime } from './policy.ts';
import type { BalancedJob } from './snapshot.ts';
import { type Candidate, mayGo, type Round, type Standing } from './standing.ts';

/** Of a node's jobs, and of the nodes that will be done first, so many are tried. */
const looked = 8;
/** About when the next round is. */
const aheadMs = 1000;

/** A job with what it has still to do, CPU milliseconds. */
interface Work {
  readonly job: BalancedJob;
  readonly left: number;
}

/** A node, and in how many milliseconds it will have done its jobs. */
interface Host {
  readonly standing: Standing;
  readonly works: readonly Work[];
  readonly end: number;
}

interface Step {
  readonly candidate: Candidate;
  readonly from: Host;
  readonly to: Host;
}

/** One move, or two that make sense only together, and when all would be done. */
interface Plan {
  readonly steps: readonly Step[];
  readonly end: number;
}

/**
 * Where it is known how long jobs run: they are shared out so that all nodes are done at about the same time. Of four equal
 * jobs on three nodes two share one, and would still share it when the others are done; a job that changes places
 * with one of the others long before lets all processors work to the end. What is not yet best done now waits: as long
 * as nobody is idle, parts get smaller and fit better. Each plan brings the end clearly nearer, so it comes to rest.
 */
export function evenEnds(round: Round, accept: Accept): void {
  const { policy } = round;
  const usual = usualSpeed(round);
  const hosts = [...round.standings.values()].flatMap((standing) => {
    const works = worksOf(standing);
    return works === undefined ? [] : [hostOf(standing, works, usual)];
  });
  const end = Math.max(0, ...hosts.map((host) => host.end));
  const plan = bestPlan(hosts, usual, round);
  if (plan === undefined || end < policy.clearGain * plan.end || end - plan.end < policy.leastMs) return;
  const later = hosts.map((host) => hostOf(host.standing, advanced(host), usual));
  const thenBest = bestPlan(later, usual, round);
  if (thenBest !== undefined && aheadMs + thenBest.end < plan.end) return;
  for (const step of plan.steps) if (!accept(proposalOf(step, end, plan.end))) return;
}

/** What all its jobs have left; undefined where that is not known of one, or one is over what was learned. */
function worksOf({ jobs }: Standing): Work[] | undefined {
  const works: Work[] = [];
  for (const job of jobs) {
    const { cpus, cpuMs, expectedCpuMs } = job;
    if (cpuMs === undefined || expectedCpuMs === undefined || cpuMs >= expectedCpuMs) return undefined;
    if (cpus > 0) works.push({ job, left: expectedCpuMs - cpuMs });
  }
  return works;
}

/** @param usual the speed at which CPU time is counted: what a job needs was learned wherever jobs ended */
function hostOf(standing: Standing, works: readonly Work[], usual: number): Host {
  const { node, external } = standing;
  let [left, wanted, longest] = [0, 0, 0];
  for (const work of works) {
    left += work.left;
    wanted += work.job.cpus;
    longest = Math.max(longest, work.left / work.job.cpus);
  }
  const part = Math.min(1, node.cpus / (wanted + external));
  const end = left === 0 ? 0 : (Math.max(longest, left / (wanted * part)) * usual) / node.speed;
  return { standing, works, end };
}

/** What is left a moment later, where nothing moves: all have done an equal part of what they want. */
function advanced({ works, end }: Host): Work[] {
  const wanted = works.reduce((sum, { job }) => sum + job.cpus, 0);
  const all = works.reduce((sum, { left }) => sum + left, 0);
  const done = Math.min(1, aheadMs / end) * all;
  return works.map(({ job, left }) => ({ job, left: Math.max(0, left - (done * job.cpus) / wanted) }));
}

/** The mean of the nodes that have jobs: what is learned of lengths is in CPU time of these. */
function usualSpeed({ standings }: Round): number {
  const speeds = [...standings.values()].filter(({ jobs }) => jobs.size > 0).map(({ node }) => node.speed);
  return speeds.reduce((sum, speed) => sum + speed, 0) / speeds.length;
}

/** A job leaves the node that will be done last; another may leave its new node at the same time. */
function bestPlan(hosts: readonly Host[], usual: number, round: Round): Plan | undefined {
  const { policy } = round;
  const early = hosts.toSorted((one, other) => one.end - other.end);
  const late = early.pop();
  if (late === undefined) return undefined;
  // Whoever else is late is so in any case.
  const latest = early.slice(-3).toReversed();
  const besides = (...touched: readonly Host[]): number => latest.find((host) => !touched.includes(host))?.end ?? 0;
  let best: Plan | undefined;
  const consider = (steps: readonly Step[], end: number): void => {
    const costs = steps.map(({ candidate }) => moveTime(candidate.job.rss, policy));
    const plan = { steps, end: end + costs.reduce((sum, cost) => sum + cost, 0) };
    if (best === undefined || plan.end < best.end) best = plan;
  };
  const targets = early.slice(0, looked);
  for (const candidate of movable(late, policy)) {
    for (const to of targets) {
      if (!mayGo(candidate, late.standing, to.standing, round)) continue;
      const first = { candidate, from: late, to };
      const remains = without(late, candidate, usual);
      const joined = [...to.works, ...late.works.filter(({ job }) => job === candidate.job)];
      consider([first], Math.max(remains.end, hostOf(to.standing, joined, usual).end, besides(late, to)));
      for (const second of movable(to, policy)) {
        const freed = hostOf(
          to.standing,
          joined.filter(({ job }) => job !== second.job),
          usual,
        );
        for (const next of [...targets, late]) {
          if (next === to || !mayGo(second, to.standing, next.standing, round)) continue;
          const works = next === late ? remains.works : next.works;
          const end = hostOf(next.standing, [...works, ...to.works.filter(({ job }) => job === second.job)], usual).end;
          const others = next === late ? 0 : remains.end;
          consider(
            [first, { candidate: second, from: to, to: next }],
            Math.max(freed.end, end, others, besides(late, to, next)),
          );
        }
      }
    }
  }
  return best;
}

function movable({ standing }: Host, { leastCpus }: MigrationPolicy): Candidate[] {
  return standing.candidates
    .filter(({ job }) => job.cpus >= leastCpus)
    .sort((a, b) => a.job.moves - b.job.moves)
    .slice(0, looked);
}

function without(host: Host, { job }: Candidate, usual: number): Host {
  return hostOf(
    host.standing,
    host.works.filter((work) => work.job !== job),
    usual,
  );
}

function proposalOf({ candidate: { job }, from, to }: Step, end: number, then: number): Proposal {
  const times = `so that all is done in ${inSeconds(then)} s, not ${inSeconds(end)} s`;
  return { job, from: from.standing, to: to.standing, cause: 'late', reason: times };
}

function inSeconds(ms: number): string {
  return (ms / 1000).toFixed(0);
}
