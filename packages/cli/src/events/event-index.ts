/** Where an event of a job is found again. */
export interface Place {
  readonly at: number;
  /** Number of the batch in the listing. */
  readonly source: number;
  readonly ordinal: number;
  readonly rank: number;
}

/** When each event of a listing was and where it is found, some 24 bytes an event: those of a million jobs fit and can be sorted. */
export class EventIndex {
  #at = new Float64Array(1024);
  #sources = new Uint32Array(1024);
  #ordinals = new Uint32Array(1024);
  #ranks = new Uint32Array(1024);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add({ at, source, ordinal, rank }: Place): void {
    if (this.#size === this.#at.length) this.#grow();
    this.#at[this.#size] = at;
    this.#sources[this.#size] = source;
    this.#ordinals[this.#size] = ordinal;
    this.#ranks[this.#size] = rank;
    this.#size += 1;
  }

  /** All of them in order of time, so many at once. */
  *inOrder(together: number): Generator<Place[]> {
    const order = Uint32Array.from({ length: this.#size }, (_, at) => at).sort((a, b) => this.#compare(a, b));
    for (let from = 0; from < order.length; from += together)
      yield Array.from(order.subarray(from, from + together), (place) => this.#place(place));
  }

  /** Called some forty million times for a million jobs, so it makes no objects. */
  #compare(a: number, b: number): number {
    const difference = (column: Float64Array | Uint32Array): number => (column[a] ?? 0) - (column[b] ?? 0);
    return difference(this.#at) || difference(this.#sources) || difference(this.#ordinals) || difference(this.#ranks);
  }

  #place(place: number): Place {
    return {
      at: this.#at[place] ?? 0,
      source: this.#sources[place] ?? 0,
      ordinal: this.#ordinals[place] ?? 0,
      rank: this.#ranks[place] ?? 0,
    };
  }

  #grow(): void {
    const size = this.#at.length * 2;
    const at = new Float64Array(size);
    at.set(this.#at);
    this.#at = at;
    const larger = (from: Uint32Array): Uint32Array<ArrayBuffer> => {
      const to = new Uint32Array(size);
      to.set(from);
      return to;
    };
    this.#sources = larger(this.#sources);
    this.#ordinals = larger(this.#ordinals);
    this.#ranks = larger(this.#ranks);
  }
}
