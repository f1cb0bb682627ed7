import type { NodeInfo } from '@omx/core';
import { DemandMeter, type Load, readProcessTable } from '@omx/launch';
import { type MovableJob, type MovableJobs, type NodeStore, queueClock } from '@omx/queue';

import type { Attempt, Attempts } from '../attempt.ts';
import type { BatchCache } from '../batch-cache.ts';
import { earlierOf } from '../capsule-jobs.ts';
import { cpuOf, processesOf, rssOf } from '../usage-reader.ts';
import type { Mover } from './departure.ts';
import { placesFor } from './placement-of-moves.ts';

/** What the others are like changes seldom. */
const nodesKnownForMs = 5000;
/** So much more is wanted than runs where something waits; less may be a meter's inaccuracy. */
const waitingCpus = 0.1;

interface MovableReaderOptions {
  readonly node: string;
  /** The node's state folder. */
  readonly nodeDir: string;
  readonly attempts: Attempts;
  readonly cache: BatchCache;
  readonly nodes: Pick<NodeStore, 'described'>;
  readonly mover: Pick<Mover, 'obstacle'>;
  /** Of this node. */
  readonly load: () => Load;
}

export interface JobUse {
  /** What it wants of the processors, in CPUs; 1 where that is not known yet. */
  readonly cpus: number;
  /** Bytes. */
  readonly rss: number;
  /** Used here. */
  readonly cpuMs: number;
}

/** A job that came from another node. */
interface Arrived {
  /** When it was first seen here, by `performance.now()`. */
  readonly at: number;
  /** Used elsewhere. */
  readonly cpuMs: number;
}

/** What this node's running jobs use, and which of them may be moved. It measures from one question to the next. */
export class MovableReader {
  readonly #options: MovableReaderOptions;
  readonly #meter = new DemandMeter<string>();
  /** By the attempt's key. */
  readonly #arrived = new Map<string, Arrived>();
  #nodes: { readonly at: number; readonly list: readonly NodeInfo[] } = { at: Number.NEGATIVE_INFINITY, list: [] };

  constructor(options: MovableReaderOptions) {
    this.#options = options;
  }

  /** By the keys of the attempts with processes. */
  measure(): ReadonlyMap<string, JobUse> {
    const { attempts, load } = this.#options;
    const table = readProcessTable();
    const processes = processesOf(attempts, table);
    const { load: all, busy } = load();
    const wanted = this.#meter.look(processes, all - busy > waitingCpus);
    return new Map(
      [...processes].map(([key, own]) => [
        key,
        { cpus: wanted.get(key) ?? 1, rss: rssOf(own, table), cpuMs: cpuOf(own) * 1000 },
      ]),
    );
  }

  /** The answer to the balancer. */
  async read(): Promise<MovableJobs> {
    const running = [...this.#options.attempts.all()].filter(({ phase }) => phase === 'running');
    this.#noteArrivals(running);
    const [uses, nodes] = [this.measure(), await this.#others()];
    const self = nodes.find(({ name }) => name === this.#options.node);
    const jobs = await Promise.all(
      running.map(async (attempt) => {
        const use = uses.get(attempt.key);
        return use === undefined || self === undefined ? [] : [await this.#describe(attempt, use, self, nodes)];
      }),
    );
    return { jobs: jobs.flat() };
  }

  async #describe(attempt: Attempt, use: JobUse, self: NodeInfo, nodes: readonly NodeInfo[]): Promise<MovableJob> {
    const { cache, mover } = this.#options;
    const { key, batch, ordinal, number, slots, snapshot, startedAt } = attempt;
    const spec = (await cache.get(batch))?.specOf(ordinal);
    const immovable =
      spec === undefined ? 'its batch is gone' : spec.balance ? mover.obstacle(attempt) : 'its batch has --balance off';
    const arrived = this.#arrived.get(key);
    return {
      id: key.slice(0, key.indexOf('#')),
      batch,
      ordinal,
      attempt: number,
      ...use,
      cpuMs: use.cpuMs + (arrived?.cpuMs ?? 0),
      slots,
      oversubscribe: spec?.oversubscribe === true,
      ageMs: Math.max(0, queueClock.now() - (startedAt ?? queueClock.now())),
      moves: snapshot.job.moves,
      ...(arrived === undefined ? {} : { lastMovedMsAgo: performance.now() - arrived.at }),
      ...(immovable === undefined ? {} : { immovable }),
      ...(spec === undefined || immovable !== undefined ? {} : { places: placesFor(spec, self, nodes) }),
    };
  }

  #noteArrivals(running: readonly Attempt[]): void {
    const moved = new Map(running.filter(({ snapshot }) => snapshot.job.moves > 0).map((each) => [each.key, each]));
    for (const key of this.#arrived.keys()) if (!moved.has(key)) this.#arrived.delete(key);
    for (const [key, attempt] of moved) {
      if (this.#arrived.has(key)) continue;
      const { userUs, sysUs } = earlierOf(this.#options.nodeDir, attempt);
      this.#arrived.set(key, { at: performance.now(), cpuMs: (userUs + sysUs) / 1000 });
    }
  }

  async #others(): Promise<readonly NodeInfo[]> {
    if (performance.now() - this.#nodes.at > nodesKnownForMs)
      this.#nodes = { at: performance.now(), list: await this.#options.nodes.described() };
    return this.#nodes.list;
  }
}
