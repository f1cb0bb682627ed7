import { decide } from '../migration/decide.ts';
import { emptyHistory } from '../migration/history.ts';
import { defaultMigrationPolicy, moveTime } from '../migration/policy.ts';
import type { BalancedJob, Snapshot } from '../migration/snapshot.ts';
import { pace } from '../migration/standing.ts';
import { seeded } from './seeded.ts';
import type { Moment, SimulatedJob, SimulatedMove, SimulatedNode, SimulatedRun, World } from './world.ts';

interface Running {
  readonly job: SimulatedJob;
  readonly startedAt: number;
  node: string;
  leftMs: number;
  /** Where it is on its way to, and until when it stands still. */
  bound?: { readonly to: string; readonly until: number };
  frozenMs: number;
  lastMovedAt?: number;
  moves: number;
}

const stepMs = 100;
const day = 86_400_000;
const wants = (job: SimulatedJob): number => job.cpus ?? 1;
const sizeOf = (job: SimulatedJob): number => job.rss ?? 1024 ** 2;
const memoryOf = (node: SimulatedNode): number => node.memory ?? 16 * 1024 ** 3;

/**
 * Lets jobs run on nodes, in steps of a tenth of a second. Processors are shared as the kernel does it, in equal parts of
 * what is wanted; a job that moves stands still for as long as its memory takes, and is then on its new node. Jobs begin in
 * their order, on the node that has most to give. The same world gives the same run.
 */
export function simulate(world: World, watch: (moment: Moment) => void = () => {}): SimulatedRun {
  const random = seeded(world.seed);
  const policy = { ...defaultMigrationPolicy, ...world.policy };
  const nodes = new Map(world.nodes.map((node) => [node.name, node]));
  const waiting = [...world.jobs].sort((a, b) => (a.at ?? 0) - (b.at ?? 0));
  const running = new Map<string, Running>();
  const ends = new Map<string, number>();
  const moves: SimulatedMove[] = [];
  let history = emptyHistory;
  const until = world.untilMs ?? day;
  const roundMs = world.roundMs ?? 1000;
  for (let ms = 0; ms < until && ends.size < world.jobs.length; ms += stepMs) {
    for (const each of running.values()) thaw(each, ms);
    start(world, waiting, running, ms);
    if (world.isBalanced !== false && ms % roundMs === 0) {
      const expected = world.learns === true && waiting.length === 0 ? meanWork(world, ends) : undefined;
      const round = decide(snapshotOf(world, running, ms, expected), history, { now: ms, random, policy });
      history = round.history;
      for (const migration of round.migrations) {
        const moved = running.get(migration.job) as Running;
        const cost = moveTime(sizeOf(moved.job), policy) * (world.costFactor ?? 1);
        moved.bound = { to: migration.to, until: ms + cost };
        moved.frozenMs += cost;
        moves.push({ ...migration, at: ms });
      }
    }
    watch(momentOf(world, running, ms));
    const loads = loadsOf(world, running, ms);
    for (const [id, each] of running) {
      if (each.bound !== undefined) continue;
      const node = nodes.get(each.node) as SimulatedNode;
      each.leftMs -= stepMs * wants(each.job) * pace(asNode(node), loads.get(each.node) as number);
      if (each.leftMs > 1e-9) continue;
      running.delete(id);
      ends.set(id, ms + stepMs);
    }
  }
  const hasEnded = ends.size === world.jobs.length;
  return { ...(hasEnded ? { makespanMs: Math.max(0, ...ends.values()) } : {}), moves, ends };
}

function thaw(each: Running, ms: number): void {
  if (each.bound === undefined || each.bound.until > ms) return;
  each.node = each.bound.to;
  each.lastMovedAt = ms;
  each.moves += 1;
  delete each.bound;
}

function start({ nodes }: World, waiting: SimulatedJob[], running: Map<string, Running>, ms: number): void {
  while (waiting.length > 0 && (waiting[0]?.at ?? 0) <= ms) {
    const job = waiting[0] as SimulatedJob;
    const node = job.node ?? roomiest(nodes, running, job, ms);
    if (node === undefined) return;
    waiting.shift();
    running.set(job.id, {
      job,
      startedAt: ms,
      node,
      leftMs: job.workMs,
      frozenMs: 0,
      moves: 0,
    });
  }
}

function roomiest(
  nodes: readonly SimulatedNode[],
  running: ReadonlyMap<string, Running>,
  job: SimulatedJob,
  ms: number,
): string | undefined {
  const counts = new Map<string, number>();
  const loads = new Map<string, number>();
  for (const { node, job: other } of running.values()) {
    counts.set(node, (counts.get(node) ?? 0) + 1);
    loads.set(node, (loads.get(node) ?? 0) + wants(other));
  }
  let best: { readonly name: string; readonly pace: number } | undefined;
  for (const node of nodes) {
    if (!isUp(node, ms) || node.role === 'home' || (counts.get(node.name) ?? 0) >= (node.slots ?? Infinity)) continue;
    const load = (loads.get(node.name) ?? 0) + (node.external?.(ms) ?? 0) + wants(job);
    const gets = pace(asNode(node), load);
    if (best === undefined || gets > best.pace) best = { name: node.name, pace: gets };
  }
  return best?.name;
}

function isUp(node: SimulatedNode, ms: number): boolean {
  return (node.state?.(ms) ?? 'up') === 'up';
}

function asNode({ cpus = 1, speed = 1 }: SimulatedNode): { readonly cpus: number; readonly speed: number } {
  return { cpus, speed };
}

/** A job on its way is told to be on the node that it leaves, as the real one is; but it uses neither. */
function loadsOf({ nodes }: World, running: ReadonlyMap<string, Running>, ms: number): Map<string, number> {
  const loads = new Map(nodes.map((node) => [node.name, node.external?.(ms) ?? 0]));
  for (const { node, job, bound } of running.values())
    if (bound === undefined) loads.set(node, (loads.get(node) as number) + wants(job));
  return loads;
}

function momentOf(world: World, running: ReadonlyMap<string, Running>, ms: number): Moment {
  const jobs = new Map<string, number>();
  for (const { node, bound } of running.values()) if (bound === undefined) jobs.set(node, (jobs.get(node) ?? 0) + 1);
  const loads = loadsOf(world, running, ms);
  return { ms, nodes: new Map([...loads].map(([name, wanted]) => [name, { jobs: jobs.get(name) ?? 0, wanted }])) };
}

/** Of the jobs that have ended; undefined before the first. */
function meanWork({ jobs }: World, ends: ReadonlyMap<string, number>): number | undefined {
  if (ends.size === 0) return undefined;
  return jobs.reduce((sum, { id, workMs }) => sum + (ends.has(id) ? workMs : 0), 0) / ends.size;
}

/** The world as the policy is told of it. */
function snapshotOf(
  world: World,
  running: ReadonlyMap<string, Running>,
  ms: number,
  expected: number | undefined,
): Snapshot {
  const used = new Map<string, number>();
  for (const { node, job } of running.values()) used.set(node, (used.get(node) ?? 0) + sizeOf(job));
  return {
    nodes: world.nodes.map((node) => ({
      name: node.name,
      state: node.state?.(ms) ?? 'up',
      role: node.role ?? 'both',
      ...asNode(node),
      externalLoad: node.external?.(ms) ?? 0,
      memTotal: memoryOf(node),
      memFree: Math.max(0, memoryOf(node) - (used.get(node.name) ?? 0)),
    })),
    jobs: [...running.values()].map((each) => jobOf(each, ms, expected)),
  };
}

function jobOf(
  { job, node, startedAt, frozenMs, leftMs, lastMovedAt, moves }: Running,
  ms: number,
  expected: number | undefined,
): BalancedJob {
  const expectedCpuMs = job.expectedCpuMs ?? expected;
  return {
    id: job.id,
    node,
    cpus: wants(job),
    rss: sizeOf(job),
    ageMs: ms - startedAt - frozenMs,
    cpuMs: job.workMs - leftMs,
    moves,
    ...(expectedCpuMs === undefined ? {} : { expectedCpuMs }),
    ...(lastMovedAt === undefined ? {} : { lastMovedAt }),
    ...(job.immovable === undefined ? {} : { immovable: job.immovable }),
  };
}
