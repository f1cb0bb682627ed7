import type { BatchId } from '@omx/core';
import type { OutputStore, PackedOutput } from '@omx/queue';

/** Inflated packs kept, bytes. Jobs that ended together share a pack, so a few are enough for jobs read in order. */
const mostBytes = 64 * 2 ** 20;

interface Pack {
  readonly outputs: ReadonlyMap<string, PackedOutput>;
  readonly bytes: number;
}

/** Packs read lately, so that thousands of small outputs do not inflate the same pack again and again. */
export class PackCache {
  readonly #store: Pick<OutputStore, 'pack'>;
  readonly #packs = new Map<string, Pack>();
  #bytes = 0;

  constructor(store: Pick<OutputStore, 'pack'>) {
    this.#store = store;
  }

  async find(batch: BatchId, pack: number, ordinal: number, attempt: number): Promise<PackedOutput | undefined> {
    const key = `${batch}:${pack}`;
    const found = this.#packs.get(key) ?? (await this.#load(batch, pack));
    // Used last, so dropped last.
    this.#packs.delete(key);
    this.#packs.set(key, found);
    return found.outputs.get(`${ordinal}#${attempt}`);
  }

  async #load(batch: BatchId, number: number): Promise<Pack> {
    const outputs = await this.#store.pack(batch, number);
    const bytes = outputs.reduce((sum, { out, err }) => sum + out.length + err.length + 100, 0);
    this.#bytes += bytes;
    for (const [key, pack] of this.#packs) {
      if (this.#bytes <= mostBytes) break;
      this.#packs.delete(key);
      this.#bytes -= pack.bytes;
    }
    return { outputs: new Map(outputs.map((output) => [`${output.ordinal}#${output.attempt}`, output])), bytes };
  }
}
