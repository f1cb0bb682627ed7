import type { MigrationPolicy } from './policy.ts';
import type { BalancedJob, BalancedNode, Snapshot } from './snapshot.ts';

/** What one round leaves for the next. Plain data; whoever begins without it decides a few seconds later. */
export interface MigrationHistory {
  /** When the last round was; undefined before the first. */
  readonly at?: number;
  readonly nodes: ReadonlyMap<string, FilteredLoad>;
  /** Decisions that still matter, by job. */
  readonly assignments: ReadonlyMap<string, Assignment>;
}

/** In CPUs. */
export interface FilteredLoad {
  /** Load that has lasted: what a node may send jobs away for. Rises slowly, falls at once. */
  readonly lasting: number;
  /** External load that may come back: what a node that shall take a job is judged by. Rises at once, falls slowly. */
  readonly external: number;
}

export interface Assignment {
  readonly from: string;
  readonly to: string;
  readonly at: number;
  /** Seen on its new node. */
  readonly isDone: boolean;
}

export const emptyHistory: MigrationHistory = { nodes: new Map(), assignments: new Map() };

/** What is left of a round when one of its moves was not made: its job is where it was, and nobody waits for it. */
export function withoutMove(history: MigrationHistory, job: string): MigrationHistory {
  const assignments = new Map(history.assignments);
  return assignments.delete(job) ? { ...history, assignments } : history;
}

/** MOSIX's averages, of which this much is kept a second: of the old value when the load rises, and when it falls. */
const keptRising = 5 / 8;
const keptFalling = 7 / 8;

/** The loads as they are filtered now, and the assignments of old without those that no longer matter. */
export function advance(
  history: MigrationHistory,
  { nodes, jobs }: Snapshot,
  own: ReadonlyMap<string, number>,
  now: number,
  policy: MigrationPolicy,
): MigrationHistory {
  const seconds = Math.max(0, now - (history.at ?? now)) / 1000;
  const filtered = nodes.map((node) => {
    const load = (own.get(node.name) ?? 0) + Math.max(0, node.externalLoad);
    return [node.name, filter(history.nodes.get(node.name), load, node, seconds)] as const;
  });
  return {
    at: now,
    nodes: new Map(filtered),
    assignments: history.assignments.size === 0 ? new Map() : stillMattering(history.assignments, jobs, now, policy),
  };
}

function filter(
  before: FilteredLoad | undefined,
  load: number,
  { externalLoad }: BalancedNode,
  seconds: number,
): FilteredLoad {
  const external = Math.max(0, externalLoad);
  // A load that is seen for the first time has not lasted yet.
  if (before === undefined) return { lasting: 0, external };
  const kept = keptRising ** seconds;
  const lasting = load > before.lasting ? kept * before.lasting + (1 - kept) * load : load;
  const fall = keptFalling ** seconds;
  return {
    lasting,
    external: external >= before.external ? external : fall * before.external + (1 - fall) * external,
  };
}

function stillMattering(
  assignments: ReadonlyMap<string, Assignment>,
  jobs: readonly BalancedJob[],
  now: number,
  { jobRestMs, pairRestMs, pendingMs }: MigrationPolicy,
): Map<string, Assignment> {
  const where = new Map<string, string>();
  for (const { id, node } of jobs) if (assignments.has(id)) where.set(id, node);
  const left = new Map<string, Assignment>();
  for (const [id, assignment] of assignments) {
    if (now - assignment.at > Math.max(jobRestMs, pairRestMs, pendingMs)) continue;
    // A job that has ended leaves nothing behind but its nodes' rest from swapping.
    const isDone = assignment.isDone || where.get(id) !== assignment.from;
    left.set(id, isDone === assignment.isDone ? assignment : { ...assignment, isDone });
  }
  return left;
}
