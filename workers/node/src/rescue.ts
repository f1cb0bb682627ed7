import { type Batch, type BatchId, type Job, leftReason, type NodeInfo } from '@omx/core';
import { endShepherd } from '@omx/launch';
import { type BatchStore, batchKeys, EventLog, type JobStore, type NodeStore, queueClock } from '@omx/queue';
import type { Logger } from 'pino';

import { LeaseWatch } from './lease-watch.ts';

/** Nodes are looked at so often, and when the lease of one that stands still is over. */
const lookMs = 2000;
/** How long a rescuer may take for one node before another may try. */
const claimMs = 30_000;
/** A lost node is looked at again after so long, and each time after twice as long: a write of it may have come in late. */
const firstAgainMs = 30_000;
const longestAgainMs = 600_000;

interface RescuerOptions {
  readonly batches: BatchStore;
  readonly jobs: JobStore;
  readonly nodes: NodeStore;
  /** This node's name. */
  readonly self: string;
  /** Of this node: processes of nodes at the same place can be ended from here. */
  readonly place: string;
  readonly log: Logger;
}

/** Whether an attempt stays its node's: it is alive after all, or will be. */
type Keep = (batch: BatchId, ordinal: number, job: Job) => boolean;

/**
 * Takes jobs from a node that is lost, or from this node's own earlier self.
 *
 * A job that was claimed but not started goes back as if nothing had happened; one that may have run is a lost attempt,
 * counted against the crash limit and never against the user's retries. While a node's jobs are freed its lease is held
 * here, so that it cannot come back in the middle; and the compare-and-set decides against it should it try to write.
 */
export class Rescuer {
  readonly #options: RescuerOptions;
  readonly #watch = new LeaseWatch();
  readonly #log: EventLog;
  /** Nodes whose jobs were freed: at which counter, and when to look again (ms of `performance.now`). */
  readonly #done = new Map<string, { readonly beats: number; readonly nextAt: number; readonly pauseMs: number }>();

  constructor(options: RescuerOptions) {
    this.#options = options;
    this.#log = new EventLog(options.batches.redis);
  }

  /**
   * Looks at all nodes and frees the jobs of those that are lost. It measures time by its calls.
   * @returns when to call it next, in milliseconds from now
   */
  async rescueLostNodes(): Promise<number> {
    const { nodes, self } = this.#options;
    const beats = await nodes.beats();
    // Who has joined has renewed its lease, so a node that is alone asks no more.
    const isAlone = [...beats.keys()].every((name) => name === self);
    const others = isAlone ? [] : (await nodes.described()).filter((node) => node.name !== self);
    const lost = this.#watch.look(
      new Map(others.map(({ name, leaseMs }) => [name, { beats: beats.get(name) ?? 0, leaseMs }])),
      performance.now(),
    );
    const gone = lost.size === 0 ? new Set() : await nodes.gone();
    for (const node of others) {
      const count = lost.get(node.name);
      if (count === undefined) continue;
      const done = this.#done.get(node.name);
      const again = done?.beats === count;
      if (again && performance.now() < done.nextAt && !gone.has(node.name)) continue;
      await this.#rescue(node, count, { again, gone: gone.has(node.name) });
    }
    const now = performance.now();
    return Math.min(lookMs, Math.ceil(this.#watch.nextLoss(now) - now));
  }

  /** The connection to the queue was lost: a node that could not renew its lease meanwhile is not to be judged by that. */
  queueWasAway(): void {
    this.#watch.beginAnew();
  }

  /** @param keep attempts that stay this node's */
  async freeJobsOf(node: string, keep: Keep, why: string, stillOurs: () => Promise<boolean>): Promise<number> {
    const { batches } = this.#options;
    let freed = 0;
    for (const id of await batches.active()) {
      const number = await batches.redis.hget(batchKeys(id).nodes, node);
      const batch = number === null ? undefined : await batches.find(id);
      if (batch === undefined) continue;
      if (!(await stillOurs())) throw new Error(`the jobs of node ${node} were not all freed: others see to it`);
      const changed = await this.#free(batch, Number(number), keep);
      if (changed > 0) {
        await batches.wake(id);
        await batches.addNote(id, `${changed} of its jobs were freed: ${why}`);
      }
      freed += changed;
    }
    return freed;
  }

  async #rescue(
    node: NodeInfo,
    beats: number,
    known: { readonly again: boolean; readonly gone: boolean },
  ): Promise<void> {
    const { nodes, self, log } = this.#options;
    const { again, gone } = known;
    const nearby = node.place === this.#options.place;
    // It lets its jobs finish and nobody can look there; only a person may say that it is gone.
    if (node.onLost === 'finish' && !nearby && !gone) return;
    const claim = async (): Promise<boolean> => nodes.claimLease(node.name, self, beats, claimMs);
    if (!(await claim())) return;
    try {
      // Its worker is gone or hangs; whatever it still runs would run twice.
      if (nearby) await endShepherd(node.shepherdPid);
      const freed = await this.freeJobsOf(
        node.name,
        // What its user has frozen is on its disk, and goes on with it; unless that will never be.
        (_batch, _ordinal, { status, wish }) => status === 'frozen' && wish === 'freeze' && !gone,
        `node ${node.name} is lost; it was last heard of at ${new Date(node.lastSeen).toISOString()}`,
        claim,
      );
      const pauseMs = again ? Math.min(2 * (this.#done.get(node.name)?.pauseMs ?? 0), longestAgainMs) : firstAgainMs;
      this.#done.set(node.name, { beats, nextAt: performance.now() + pauseMs, pauseMs });
      // Only now: who is no longer known is looked at by nobody.
      if (gone) await nodes.remove(node.name);
      if (freed === 0 && (again || node.reason === leftReason)) return;
      log.warn({ node: node.name, freed }, 'a node is lost: its jobs are given to others');
      await this.#log.append('node-lost', node.name, `${freed} of its jobs were freed by ${self}`);
    } finally {
      await nodes.endClaim(node.name, self);
    }
  }

  async #free(batch: Batch, node: number, keep: Keep): Promise<number> {
    const changed = await this.#options.jobs.apply(
      batch,
      [{ first: 0, last: batch.total - 1 }],
      (job, ordinal) => {
        if (!('node' in job) || job.status === 'ended' || job.node !== node || keep(batch.id, ordinal, job))
          return undefined;
        return { type: job.status === 'leased' ? 'requeue' : 'lose', attempt: job.attempt, at: queueClock.now() };
      },
      { offer: true },
    );
    return changed.length;
  }
}
