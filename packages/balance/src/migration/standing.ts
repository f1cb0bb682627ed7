import type { FilteredLoad, MigrationHistory } from './history.ts';
import type { MigrationPolicy } from './policy.ts';
import type { BalancedJob, BalancedNode, Snapshot } from './snapshot.ts';

export interface Candidate {
  readonly job: BalancedJob;
  /** Moved lately, so only idle processors may have it. */
  readonly isTired: boolean;
}

/** A node as this round sees it: as it will be when all that was decided so far is done. */
export class Standing {
  readonly node: BalancedNode;
  /** Movable jobs on it that this round may look at. */
  readonly candidates: Candidate[] = [];
  /** All its jobs: those that come are among them, those that go are not. */
  readonly jobs = new Set<BalancedJob>();
  /** Of others, in CPUs. */
  readonly external: number;
  /** What of the load lasts; moved jobs taken off, but none added that is still to come. In CPUs. */
  lasting: number;
  /** Load with all that comes, and without only that which is gone. In CPUs. */
  coming: number;
  /** Bytes free when all that comes is there; what goes has not gone yet. */
  memFree: number;
  /** Bytes of the jobs that go. */
  memGoing = 0;
  /** Slots free when all that comes is there; what goes has not gone yet. */
  freeSlots: number;
  /** Moves it takes part in. */
  moving = 0;

  constructor(node: BalancedNode, { lasting, external }: FilteredLoad) {
    this.node = node;
    this.external = external;
    this.lasting = lasting;
    this.coming = external;
    this.memFree = node.memFree;
    this.freeSlots = node.freeSlots ?? Infinity;
  }

  /** The job is to go from here: it frees its processors and its memory, but nobody should count on that yet. */
  send(job: BalancedJob): void {
    this.jobs.delete(job);
    this.lasting = Math.max(0, this.lasting - job.cpus);
    this.memGoing += job.rss;
    this.moving += 1;
  }

  /** The job is to come here. */
  take(job: BalancedJob): void {
    this.jobs.add(job);
    this.coming += job.cpus;
    this.memFree -= job.rss;
    this.freeSlots -= job.slots ?? 0;
    this.moving += 1;
  }
}

/**
 * How fast a job gets on: in CPUs of speed 1 for each CPU it wants. While `load`, the job's own included, is more than
 * there are processors, all get an equal part of what they want.
 */
export function pace({ cpus, speed }: Pick<BalancedNode, 'cpus' | 'speed'>, load: number): number {
  return load <= cpus ? speed : (speed * cpus) / load;
}

export interface Round {
  readonly policy: MigrationPolicy;
  readonly now: number;
  readonly standings: ReadonlyMap<string, Standing>;
  /** Nodes that may take jobs. */
  readonly targets: readonly Standing[];
  /** When a job last went from one node to another, by {@link pairOf}; only where that was lately. */
  readonly recentPairs: Map<string, number>;
}

export function pairOf(from: string, to: string): string {
  return `${from}\0${to}`;
}

/** Own load of the nodes, by name, in CPUs. */
export function ownLoads(jobs: readonly BalancedJob[]): Map<string, number> {
  const own = new Map<string, number>();
  for (const { node, cpus } of jobs) own.set(node, (own.get(node) ?? 0) + Math.max(0, cpus));
  return own;
}

export function openRound(
  { nodes, jobs }: Snapshot,
  { nodes: loads, assignments }: MigrationHistory,
  now: number,
  policy: MigrationPolicy,
): Round {
  const standings = new Map(
    nodes.map((node) => [node.name, new Standing(node, loads.get(node.name) ?? { lasting: 0, external: 0 })]),
  );
  for (const job of jobs) {
    const standing = standings.get(job.node);
    if (standing === undefined) continue;
    standing.coming += Math.max(0, job.cpus);
    standing.jobs.add(job);
    const assignment = assignments.get(job.id);
    if (assignment !== undefined && !assignment.isDone && now - assignment.at < policy.pendingMs) {
      standing.send(job);
      standings.get(assignment.to)?.take(job);
    } else if (job.immovable === undefined && job.ageMs >= policy.leastMs) {
      const rested = now - Math.max(job.lastMovedAt ?? -Infinity, assignment?.at ?? -Infinity);
      if (rested >= policy.idleRestMs) standing.candidates.push({ job, isTired: rested < policy.jobRestMs });
    }
  }
  const recentPairs = new Map<string, number>();
  for (const { from, to, at } of assignments.values()) {
    const pair = pairOf(from, to);
    if (now - at < policy.pairRestMs) recentPairs.set(pair, Math.max(at, recentPairs.get(pair) ?? at));
  }
  const targets = [...standings.values()].filter(({ node }) => node.state === 'up' && node.role !== 'home');
  return { policy, now, standings, targets, recentPairs };
}

/** Whether the job may go to that node at all, whatever is gained by it. */
export function mayGo({ job, isTired }: Candidate, from: Standing, to: Standing, round: Round): boolean {
  const { policy, recentPairs, now } = round;
  const { name, cpus, memTotal } = to.node;
  if (to === from || to.moving >= policy.mostMovesOfNode || job.places?.has(name) === false) return false;
  if (to.memFree - job.rss < policy.ampleMemory * memTotal) return false;
  if (job.slots !== undefined && job.slots > to.freeSlots) return false;
  const isIdle = to.coming + job.cpus <= cpus;
  if (isTired && !isIdle) return false;
  const cameBack = recentPairs.get(pairOf(name, from.node.name));
  return cameBack === undefined || now - cameBack >= (isIdle ? policy.idleRestMs : policy.pairRestMs);
}
