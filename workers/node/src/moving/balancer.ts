import {
  type BalancedJob,
  type BalancedNode,
  decide,
  emptyHistory,
  type Migration,
  type MigrationHistory,
  withoutMove,
} from '@omx/balance';
import { type BatchId, errorOf, type NodeInfo } from '@omx/core';
import type { BalancerSeat, MovableJob, NodeAsker, NodeStore } from '@omx/queue';
import { isRefusal } from '@omx/queue';
import type { Logger } from 'pino';

import type { Attempts } from '../attempt.ts';
import type { JobLengths } from './job-lengths.ts';
import { freeSlots } from './placement-of-moves.ts';
import { RefusedMoves } from './refused-moves.ts';

/** While there is something to balance. */
const roundMs = 1000;
/** While there is not, or somebody else does it: how long the cluster is without a balancer when one has gone. */
const restMs = 3000;
/** Longer than a rest, so that the seat is kept over it. */
const seatMs = 10_000;
/** Who has the seat keeps it for so long after the last job that could be moved: the next one would have to learn all anew. */
const concernedForMs = 10_000;
/** A round waits so long for answers; a crowded node may take longer, and it is the one that matters. */
const answerMs = 1000;
/** What a node has said counts for so long. */
const knownForMs = 8000;
/** What a job wants is not measured well while it moves and so long afterwards. */
const settlingMs = 5000;
/** A job that a node would not have is not sent there again for so long; what kept it may have ended by then. */
const refusedMs = 60_000;
/** A move may take so many times what was reckoned, and so long at least, before its answer is not waited for any more. */
const patience = 20;
const leastPatienceMs = 120_000;

interface BalancerOptions {
  readonly seat: BalancerSeat;
  readonly nodes: Pick<NodeStore, 'list'>;
  readonly asker: Pick<NodeAsker, 'askJson'>;
  readonly attempts: Attempts;
  readonly lengths: Pick<JobLengths, 'all'>;
  readonly log: Logger;
  readonly random?: () => number;
}

/**
 * Moves running jobs to where they get on better. One worker does so for all nodes; only those that have jobs which can be
 * moved apply for it, so a cluster without such jobs asks nothing of the queue. Who does it goes on when its own jobs have
 * ended: it is the idle nodes that others' jobs go to.
 */
export class Balancer {
  readonly #options: BalancerOptions;
  readonly #refused = new RefusedMoves(refusedMs);
  /** Jobs whose move has been asked for and not answered. */
  readonly #moving = new Set<string>();
  /** What they wanted of the processors before, and those that have moved lately. */
  readonly #wanted = new Map<string, number>();
  /** What each node has said last of its jobs, and when. */
  readonly #answers = new Map<string, { readonly jobs: readonly MovableJob[]; readonly at: number }>();
  readonly #asking = new Map<string, Promise<void>>();
  #history: MigrationHistory = emptyHistory;
  #hasSeat = false;
  /** When a job was last seen, on any node, that could be moved. */
  #concernedAt = Number.NEGATIVE_INFINITY;
  #isClosed = false;

  constructor(options: BalancerOptions) {
    this.#options = options;
  }

  /** One round. @returns when to call it next, in milliseconds from now */
  async look(): Promise<number> {
    const { seat, nodes } = this.#options;
    if (!this.#isConcerned) {
      await this.leave();
      return restMs;
    }
    this.#hasSeat = !this.#isClosed && (await seat.take(seatMs));
    if (this.#isClosed) await seat.leave();
    if (!this.#hasSeat || this.#isClosed) {
      this.#history = emptyHistory;
      return restMs;
    }
    const up = (await nodes.list()).filter(({ state }) => state === 'up');
    if (up.filter(({ role }) => role !== 'home').length === 0 || up.length < 2) return restMs;
    await this.#round(up);
    return roundMs;
  }

  get #isConcerned(): boolean {
    if (this.#hasSeat && performance.now() - this.#concernedAt < concernedForMs) return true;
    return [...this.#options.attempts.all()].some(({ launcher, phase }) => launcher === 'criu' && phase === 'running');
  }

  /** Lets another worker do it. */
  async leave(): Promise<void> {
    if (!this.#hasSeat) return;
    this.#hasSeat = false;
    this.#history = emptyHistory;
    await this.#options.seat.leave();
  }

  /** The same for good, also where an earlier balancer of this node had the seat. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#hasSeat = false;
    await this.#options.seat.leave();
  }

  async #round(nodes: readonly NodeInfo[]): Promise<void> {
    const { random = Math.random, lengths } = this.#options;
    await Promise.race([Promise.all(nodes.map(async ({ name }) => this.#ask(name))), wait(answerMs)]);
    const now = performance.now();
    this.#refused.prune(now);
    const answered = nodes
      .flatMap((node) => {
        const answer = this.#answers.get(node.name);
        return answer === undefined || now - answer.at > knownForMs ? [] : [{ node, ...answer }];
      })
      // A job that two know of has moved: who was asked last is right.
      .toSorted((one, other) => one.at - other.at);
    const known = new Map(answered.flatMap(({ node, jobs }) => jobs.map((job) => [job.id, { node, job }])));
    const sharing = [...known.values()].filter(({ job }) => job.oversubscribe).map(({ job }) => job.batch);
    for (const id of this.#wanted.keys()) if (!known.has(id)) this.#wanted.delete(id);
    const expected = await lengths.all(new Set(sharing));
    const snapshot = {
      nodes: answered.map(({ node, jobs }) => balancedNode(node, jobs)),
      jobs: [...known.values()].map(({ node, job }) => ({
        ...this.#balancedJob(node.name, job, nodes, now),
        ...lengthOf(job, expected),
      })),
    };
    if (snapshot.jobs.some(({ immovable }) => immovable === undefined)) this.#concernedAt = now;
    const round = decide(snapshot, this.#history, { now, random });
    this.#history = round.history;
    for (const migration of round.migrations) {
      const job = known.get(migration.job)?.job;
      if (job !== undefined) void this.#carryOut(migration, job);
    }
  }

  /** Asks a node for its jobs, unless it still owes an answer. */
  async #ask(node: string): Promise<void> {
    let asking = this.#asking.get(node);
    if (asking === undefined) {
      asking = this.#options.asker
        .askJson(node, { type: 'movable' }, knownForMs)
        .then(({ jobs }) => void this.#answers.set(node, { jobs, at: performance.now() }))
        // Its worker has just gone, say; what it said before runs out.
        .catch(() => undefined)
        .finally(() => this.#asking.delete(node));
      this.#asking.set(node, asking);
    }
    return asking;
  }

  #balancedJob(node: string, job: MovableJob, nodes: readonly NodeInfo[], now: number): BalancedJob {
    const { id, cpus, rss, ageMs, moves, slots, oversubscribe, lastMovedMsAgo } = job;
    const immovable = this.#moving.has(id) ? 'it is being moved' : job.immovable;
    const places = (job.places ?? nodes.map(({ name }) => name)).filter((name) => !this.#refused.has(id, name, now));
    const isSettling = this.#moving.has(id) || (lastMovedMsAgo ?? Infinity) < settlingMs;
    return {
      ...{ id, node, rss, ageMs, moves },
      cpus: isSettling ? Math.max(cpus, this.#wanted.get(id) ?? 1) : cpus,
      ...(oversubscribe ? {} : { slots }),
      ...(lastMovedMsAgo === undefined ? {} : { lastMovedAt: now - lastMovedMsAgo }),
      ...(immovable === undefined ? { places: new Set(places) } : { immovable }),
    };
  }

  async #carryOut({ job: id, from, to, reason, costMs }: Migration, job: MovableJob): Promise<void> {
    const { asker, log } = this.#options;
    const { batch, ordinal, attempt } = job;
    this.#moving.add(id);
    this.#wanted.set(id, job.cpus);
    const answer = await asker
      .askJson(
        from,
        { type: 'migrate', batch, ordinal, attempt, to, why: reason },
        Math.max(leastPatienceMs, patience * costMs),
      )
      .catch((error: unknown) => ({ refused: errorOf(error).message }));
    this.#moving.delete(id);
    if (isRefusal(answer)) {
      this.#history = withoutMove(this.#history, id);
      this.#refused.add(id, to, performance.now());
      log.info({ job: id, from, to, reason: answer.refused }, 'a job was not moved');
    } else log.info({ job: id, from, to, reason, ...answer }, 'a job was moved');
  }
}

async function wait(ms: number): Promise<void> {
  await new Promise<void>((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}

/** Of a job that has a slot to itself nothing is expected: it gets on as fast as it can. */
function lengthOf(
  { batch, cpuMs, oversubscribe }: MovableJob,
  expected: ReadonlyMap<BatchId, number>,
): Pick<BalancedJob, 'cpuMs' | 'expectedCpuMs'> {
  const expectedCpuMs = oversubscribe ? expected.get(batch) : undefined;
  return expectedCpuMs === undefined ? {} : { cpuMs, expectedCpuMs };
}

function balancedNode(node: NodeInfo, jobs: readonly MovableJob[]): BalancedNode {
  const { name, state, role, cpus, speed, externalLoad, memTotal, memFree } = node;
  const taken = jobs.reduce((sum, job) => sum + job.slots, 0);
  return {
    ...{ name, state, role, cpus, speed, externalLoad, memTotal },
    memFree: memTotal === 0 ? Infinity : memFree,
    freeSlots: freeSlots(node, taken),
  };
}
