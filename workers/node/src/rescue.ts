import { type Batch, type BatchId, nodeLeaseMs } from '@omx/core';
import { type BatchStore, batchKeys, globalKeys, type JobStore, type NodeStore } from '@omx/queue';

/**
 * Takes jobs from a node that can no longer run them: one whose lease has run out, or this node's own earlier self.
 *
 * A job that was claimed but not started goes back as if nothing had happened; one that may have run is a lost attempt,
 * counted against the crash limit and never against the user's retries. The compare-and-set decides against the node
 * should it come back in the middle.
 */
export class Rescuer {
  readonly #batches: BatchStore;
  readonly #jobs: JobStore;
  readonly #nodes: NodeStore;

  constructor(batches: BatchStore, jobs: JobStore, nodes: NodeStore) {
    this.#batches = batches;
    this.#jobs = jobs;
    this.#nodes = nodes;
  }

  /** Frees the jobs of every node that is gone. One worker does it at a time. */
  async rescueDeadNodes(self: string): Promise<void> {
    for (const node of await this.#nodes.list()) {
      if (node.state !== 'down' || node.name === self || Date.now() - node.lastSeen < nodeLeaseMs) continue;
      const taken = await this.#batches.redis.set(globalKeys.rescue(node.name), self, 'PX', 30_000, 'NX');
      if (taken !== 'OK') continue;
      await this.freeJobsOf(
        node.name,
        () => false,
        `node ${node.name} has not been heard of since ${new Date(node.lastSeen).toISOString()}`,
      );
    }
  }

  /** @param keep attempts that are alive after all, by batch, ordinal and number */
  async freeJobsOf(
    node: string,
    keep: (batch: BatchId, ordinal: number, attempt: number) => boolean,
    why: string,
  ): Promise<number> {
    let freed = 0;
    for (const id of await this.#batches.active()) {
      const number = await this.#batches.redis.hget(batchKeys(id).nodes, node);
      const batch = number === null ? undefined : await this.#batches.find(id);
      if (batch === undefined) continue;
      const changed = await this.#free(batch, Number(number), keep);
      if (changed > 0) await this.#batches.addNote(id, `${changed} of its jobs were freed: ${why}`);
      freed += changed;
    }
    return freed;
  }

  async #free(
    batch: Batch,
    node: number,
    keep: (batch: BatchId, ordinal: number, attempt: number) => boolean,
  ): Promise<number> {
    const changed = await this.#jobs.apply(
      batch,
      [{ first: 0, last: batch.total - 1 }],
      (job, ordinal) => {
        if (!('node' in job) || job.status === 'ended' || job.node !== node || keep(batch.id, ordinal, job.attempt))
          return undefined;
        return { type: job.status === 'leased' ? 'requeue' : 'lose', attempt: job.attempt, at: Date.now() };
      },
      { offer: true },
    );
    return changed.length;
  }
}
