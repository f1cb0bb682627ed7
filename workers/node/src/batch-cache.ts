import {
  type Batch,
  type BatchId,
  type BatchSpec,
  type Bytes,
  type ExpandedJob,
  type Item,
  JobExpander,
  needsItem,
  reviseSpec,
} from '@omx/core';
import type { Launcher } from '@omx/launch';
import { type BatchStore, itemsPerBlock } from '@omx/queue';

import type { NodeLaunchers } from './node-launchers.ts';

/** What a worker keeps of a batch while it works on it. */
export class BatchRuntime {
  batch: Batch;
  /** The node's number in the batch's records. */
  readonly nodeNumber: number;
  readonly environment: readonly Bytes[];
  /** Where its programs are looked for. */
  readonly path: Bytes | undefined;
  /** Mean real time of the jobs that ended here, milliseconds; undefined before the first. */
  meanMs: number | undefined;
  /** Jobs of it that had ended when this node last wrote. */
  ended = 0;
  lastUsed = performance.now();
  readonly #launchers: Pick<NodeLaunchers, 'choose'>;
  /** Serves every job no rerun has changed; made with the first. */
  #common: { readonly spec: BatchSpec; readonly expander: JobExpander } | undefined;
  #launcher: Launcher | undefined;
  #deviationMs = 0;
  #items: { block: number; items: Item[] } | undefined;
  readonly #store: BatchStore;

  constructor(options: {
    batch: Batch;
    nodeNumber: number;
    environment: readonly Bytes[];
    launchers: Pick<NodeLaunchers, 'choose'>;
    store: BatchStore;
  }) {
    this.batch = options.batch;
    this.nodeNumber = options.nodeNumber;
    this.environment = options.environment;
    this.path = options.environment.find((entry) => entry.startsWith('PATH='))?.slice('PATH='.length) as
      | Bytes
      | undefined;
    this.#launchers = options.launchers;
    this.#store = options.store;
  }

  /** @throws OmxError where this node lacks the launcher the batch asks for */
  async launcher(): Promise<Launcher> {
    this.#launcher ??= (await this.#launchers.choose(this.batch.spec)).launcher;
    return this.#launcher;
  }

  /** The spec as reruns have changed it for this job. */
  specOf(ordinal: number): BatchSpec {
    return this.#revised(ordinal).spec;
  }

  async expand(ordinal: number): Promise<ExpandedJob> {
    const { spec, expander } = this.#revised(ordinal);
    return expander.expand(ordinal, needsItem(spec.jobs) ? await this.#item(ordinal) : undefined);
  }

  learn(realMs: number): void {
    const { meanMs = realMs } = this;
    this.#deviationMs = this.#deviationMs * 0.8 + Math.abs(realMs - meanMs) * 0.2;
    this.meanMs = meanMs * 0.8 + realMs * 0.2;
  }

  /**
   * What its next jobs hardly exceed, milliseconds, going by those that ended here: the mean and twice the mean deviation. So TCP
   * judges how long an answer may take: Jacobson, "Congestion Avoidance and Control", SIGCOMM 1988. Undefined before the first.
   */
  get likelyMs(): number | undefined {
    return this.meanMs === undefined ? undefined : this.meanMs + 2 * this.#deviationMs;
  }

  #revised(ordinal: number): { spec: BatchSpec; expander: JobExpander } {
    const { spec, revisions } = this.batch;
    const revised = reviseSpec(spec, revisions, ordinal);
    if (revised !== spec) return { spec: revised, expander: new JobExpander(revised) };
    this.#common ??= { spec, expander: new JobExpander(spec) };
    return this.#common;
  }

  async #item(ordinal: number): Promise<Item> {
    const block = Math.floor(ordinal / itemsPerBlock);
    if (this.#items?.block !== block) this.#items = { block, items: await this.#store.items(this.batch.id, block) };
    return this.#items.items[ordinal % itemsPerBlock] ?? [];
  }
}

/** Batches in use, forgotten when nothing of them has happened here for a while, so memory follows the work at hand. */
export class BatchCache {
  readonly #store: BatchStore;
  readonly #node: string;
  readonly #launchers: Pick<NodeLaunchers, 'choose'>;
  readonly #runtimes = new Map<BatchId, Promise<BatchRuntime | undefined>>();

  constructor(store: BatchStore, node: string, launchers: Pick<NodeLaunchers, 'choose'>) {
    this.#store = store;
    this.#node = node;
    this.#launchers = launchers;
  }

  async get(id: BatchId): Promise<BatchRuntime | undefined> {
    let loading = this.#runtimes.get(id);
    if (loading === undefined) {
      loading = this.#load(id);
      this.#runtimes.set(id, loading);
      loading.catch(() => this.#runtimes.delete(id));
    }
    const runtime = await loading;
    if (runtime === undefined) this.#runtimes.delete(id);
    else runtime.lastUsed = performance.now();
    return runtime;
  }

  /** The batch's record read anew: what untouched jobs are and what reruns changed may be different. */
  async reload(id: BatchId): Promise<BatchRuntime | undefined> {
    const runtime = await this.get(id);
    if (runtime !== undefined) runtime.batch = await this.#store.refresh(runtime.batch);
    return runtime;
  }

  /** The same, only for a batch this worker is busy with. */
  async reloadIfKnown(id: BatchId): Promise<BatchRuntime | undefined> {
    return this.#runtimes.has(id) ? this.reload(id) : undefined;
  }

  /** @returns the batches that are kept */
  async forgetIdle(inUse: ReadonlySet<BatchId>, olderThanMs = 60_000): Promise<BatchRuntime[]> {
    const kept: BatchRuntime[] = [];
    for (const [id, loading] of this.#runtimes) {
      const runtime = await loading.catch(() => undefined);
      if (runtime === undefined || (!inUse.has(id) && performance.now() - runtime.lastUsed > olderThanMs))
        this.#runtimes.delete(id);
      else kept.push(runtime);
    }
    return kept;
  }

  async #load(id: BatchId): Promise<BatchRuntime | undefined> {
    const batch = await this.#store.find(id);
    if (batch === undefined) return undefined;
    const [nodeNumber, environment] = await Promise.all([
      this.#store.nodeNumber(id, this.#node),
      this.#store.environment(batch.spec.env),
    ]);
    return new BatchRuntime({ batch, nodeNumber, environment, launchers: this.#launchers, store: this.#store });
  }
}
