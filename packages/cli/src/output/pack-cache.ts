import type { BatchId } from '@omx/core';
import type { OutputStore, PackedOutput, StoredJob } from '@omx/queue';

/** Inflated packs kept, bytes. Jobs that ended together share a pack, so a few are enough for jobs read in order. */
const mostBytes = 64 * 2 ** 20;
/** So much output is fetched ahead at once, in so many packs. */
const aheadBytes = 16 * 2 ** 20;
const aheadPacks = 500;

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

  /** Fetches the packs of jobs whose output is about to be read, in one round trip as far as memory allows. */
  async fetchAhead(batch: BatchId, jobs: readonly StoredJob[]): Promise<void> {
    const wanted = new Set<number>();
    let bytes = 0;
    for (const { job, pack } of jobs) {
      if (
        pack === undefined ||
        job.status !== 'ended' ||
        job.output.place !== 'queue' ||
        this.#packs.has(`${batch}:${pack}`)
      )
        continue;
      bytes += job.output.outBytes + job.output.errBytes;
      if (bytes > aheadBytes || wanted.size >= aheadPacks) break;
      wanted.add(pack);
    }
    await Promise.all([...wanted].map(async (pack) => this.#load(batch, pack)));
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
    const loaded = {
      outputs: new Map(outputs.map((output) => [`${output.ordinal}#${output.attempt}`, output])),
      bytes,
    };
    this.#packs.set(`${batch}:${number}`, loaded);
    return loaded;
  }
}
