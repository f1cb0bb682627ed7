import {
  type Batch,
  type BatchSpec,
  type Bytes,
  type Item,
  JobExpander,
  needsItem,
  type Revision,
  reviseSpec,
} from '@omx/core';
import { type BatchStore, itemsPerBlock } from '@omx/queue';

/** The command of each job of a batch as it would be started now, earlier reruns and one more change included. */
export class JobCommands {
  readonly #batches: BatchStore;
  readonly #batch: Batch;
  readonly #common: JobExpander;
  #items: { readonly block: number; readonly items: readonly Item[] } | undefined;

  /** @param change a rerun's change that is not (yet) stored; it holds for the jobs it names */
  constructor(batches: BatchStore, batch: Batch, change?: Revision) {
    this.#batches = batches;
    this.#batch = change === undefined ? batch : { ...batch, revisions: [...batch.revisions, change] };
    this.#common = new JobExpander(batch.spec);
  }

  specOf(ordinal: number): BatchSpec {
    return reviseSpec(this.#batch.spec, this.#batch.revisions, ordinal);
  }

  async argv(ordinal: number): Promise<Bytes[]> {
    const spec = this.specOf(ordinal);
    const expander = spec.command === this.#batch.spec.command ? this.#common : new JobExpander(spec);
    return expander.expand(ordinal, needsItem(spec.jobs) ? await this.#item(ordinal) : undefined).argv;
  }

  async #item(ordinal: number): Promise<Item> {
    const block = Math.floor(ordinal / itemsPerBlock);
    if (this.#items?.block !== block) this.#items = { block, items: await this.#batches.items(this.#batch.id, block) };
    return this.#items.items[ordinal % itemsPerBlock] ?? [];
  }
}
