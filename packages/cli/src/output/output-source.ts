import { type Batch, type BatchId, ExitCode, indexOf, isOmxError, jobId, OmxError, reviseSpec } from '@omx/core';
import type { ReadPiece, StoredJob } from '@omx/queue';

import type { Session } from '../session.ts';
import { type AttemptOutput, outputOf, type StreamName } from './attempt-output.ts';
import { findLastLines, lastLinesStart } from './last-lines.ts';
import { PackCache } from './pack-cache.ts';
import type { AttemptName } from './sink.ts';

/** Most bytes asked of a node at once; more are asked for when these are printed. */
export const bytesPerAnswer = 2 ** 20;
const probeBytes = 64 * 1024;

/** Reads outputs, from the queue or from the node that has them, a bounded piece at a time. */
export class OutputSource {
  readonly #session: Session;
  readonly #packs: PackCache;
  readonly #nodes = new Map<BatchId, Map<number, string>>();
  readonly #unreachable = new Map<string, OmxError>();

  constructor(session: Session) {
    this.#session = session;
    this.#packs = new PackCache(session.outputs);
  }

  /** Name of a node by its number in the batch. */
  async nodeName(batch: BatchId, number: number): Promise<string> {
    let names = this.#nodes.get(batch);
    if (names?.has(number) !== true) {
      names = await this.#session.batches.nodeNames(batch);
      this.#nodes.set(batch, names);
    }
    return names.get(number) ?? `?${number}`;
  }

  async nameOf(batch: Batch, output: AttemptOutput): Promise<AttemptName> {
    return {
      id: jobId(batch.id, indexOf(batch.spec.jobs, output.ordinal)),
      attempt: output.attempt,
      node: output.node === undefined ? null : await this.nodeName(batch.id, output.node),
    };
  }

  /** Both streams of an attempt whose output is in the queue. */
  async packed(batch: Batch, output: AttemptOutput): Promise<Readonly<Record<StreamName, Buffer>>> {
    const found =
      output.pack === undefined
        ? undefined
        : await this.#packs.find(batch.id, output.pack, output.ordinal, output.attempt);
    if (found === undefined) throw goneError(output.attempt, 'it is missing in the queue');
    return found;
  }

  /** Makes reading these jobs' outputs one after the other cost no round trip each. */
  async fetchAhead(batch: Batch, jobs: readonly StoredJob[]): Promise<void> {
    await this.#packs.fetchAhead(batch.id, jobs);
  }

  /** What there is of a stream from an offset on; of a live attempt, what it has written by now. */
  async *read(batch: Batch, output: AttemptOutput, stream: StreamName, from: number): AsyncGenerator<Buffer> {
    switch (output.place) {
      case 'none':
        return;
      case 'queue': {
        const bytes = (await this.packed(batch, output))[stream].subarray(from);
        if (bytes.length > 0) yield bytes;
        return;
      }
      case 'node':
        yield* this.#readNode(batch, output, stream, from);
        return;
      case 'live':
        yield* this.#readLive(batch, output, stream, from);
    }
  }

  /** The offset at which the last lines of a stream begin. */
  async lastLines(batch: Batch, output: AttemptOutput, stream: StreamName, lines: number): Promise<number> {
    if (output.place === 'none') return 0;
    if (output.place === 'queue') return lastLinesStart((await this.packed(batch, output))[stream], lines);
    const readAt = async (offset: number, length: number): Promise<Buffer> =>
      (await this.#ask(batch, output, stream, offset, length)).bytes;
    if (output.place === 'node') return findLastLines(output.bytes[stream], lines, readAt);
    const size = await liveSize(readAt);
    const later = size === 0 ? await this.#elsewhere(batch, output, stream) : undefined;
    if (later !== undefined) return this.lastLines(batch, later, stream, lines);
    return findLastLines(Math.min(outputLimit(batch, output.ordinal), size), lines, readAt);
  }

  /** While a piece is printed, the next is on its way. */
  async *#readNode(batch: Batch, output: AttemptOutput, stream: StreamName, from: number): AsyncGenerator<Buffer> {
    const size = output.bytes[stream];
    const ask = async (offset: number): Promise<Pick<ReadPiece, 'bytes' | 'ended'> | undefined> =>
      offset >= size ? undefined : this.#ask(batch, output, stream, offset, Math.min(bytesPerAnswer, size - offset));
    let offset = from;
    let next = ask(offset);
    try {
      for (let piece = await next; piece !== undefined; piece = await next) {
        const { bytes } = piece;
        if (bytes.length === 0)
          throw goneError(output.attempt, `node ${await this.nodeName(batch.id, output.node ?? 0)} has it no more`);
        offset += bytes.length;
        next = ask(offset);
        // Its failure is met when its turn comes.
        next.catch(() => {});
        yield bytes;
      }
    } finally {
      await next.catch(() => {});
    }
  }

  async *#readLive(batch: Batch, output: AttemptOutput, stream: StreamName, from: number): AsyncGenerator<Buffer> {
    const limit = outputLimit(batch, output.ordinal);
    let offset = from;
    for (;;) {
      const most = Math.min(bytesPerAnswer, limit - offset);
      const { bytes, ended } = await this.#ask(batch, output, stream, offset, Math.max(1, most));
      if (most > 0 && bytes.length > 0) yield bytes;
      offset += bytes.length;
      if (bytes.length === 0 && ended) break;
      // A short answer reaches to what the process has written by now: a fast writer is not chased.
      if (bytes.length < most || most <= 0) return;
    }
    // It ended or moved while it was read, and its files may be gone already: the record says where the rest is.
    const later = await this.#outputNow(batch, output);
    if (later !== undefined && isElsewhere(later, output)) yield* this.read(batch, later, stream, offset);
  }

  /** Where the output of a live attempt is by now, if that is not where it was and its node has nothing of it. */
  async #elsewhere(batch: Batch, output: AttemptOutput, stream: StreamName): Promise<AttemptOutput | undefined> {
    const { bytes, ended } = await this.#ask(batch, output, stream, 0, 1);
    if (!ended || bytes.length > 0) return undefined;
    const later = await this.#outputNow(batch, output);
    return later !== undefined && isElsewhere(later, output) ? later : undefined;
  }

  async #outputNow(batch: Batch, { ordinal, attempt }: AttemptOutput): Promise<AttemptOutput | undefined> {
    const [snapshot] = await this.#session.jobs.read(batch, [ordinal]);
    if (snapshot?.job.attempt === attempt) return outputOf(ordinal, snapshot);
    const stored = (await this.#session.jobs.history(batch, ordinal, attempt + 1)).at(-1);
    return stored?.job.attempt === attempt ? outputOf(ordinal, stored) : undefined;
  }

  async #ask(
    batch: Batch,
    output: AttemptOutput,
    stream: StreamName,
    offset: number,
    maxBytes: number,
  ): Promise<Pick<ReadPiece, 'bytes' | 'ended'>> {
    const node = await this.nodeName(batch.id, output.node ?? 0);
    // A node that did not answer once is not waited for again for each of its jobs.
    const known = this.#unreachable.get(node);
    if (known !== undefined) throw known;
    try {
      const cursor = { ordinal: output.ordinal, attempt: output.attempt, stream, offset };
      const [piece] = await this.#session
        .asker()
        .ask(node, { type: 'read', batch: batch.id, cursors: [cursor], maxBytes, waitMs: 0 });
      return piece ?? { bytes: Buffer.alloc(0), ended: false };
    } catch (error) {
      if (isOmxError(error)) this.#unreachable.set(node, error);
      throw error;
    }
  }
}

/** The attempt is no longer live, or so at another node. */
function isElsewhere(later: AttemptOutput, output: AttemptOutput): boolean {
  return later.place !== 'live' || later.node !== output.node;
}

/** What `--max-output` keeps of each stream; a live file may be longer for a moment before it is cut. */
export function outputLimit(batch: Batch, ordinal: number): number {
  return reviseSpec(batch.spec, batch.revisions, ordinal).limits.maxOutputBytes ?? Infinity;
}

export function goneError(attempt: number, why: string): OmxError {
  return new OmxError(`the output of attempt ${attempt} cannot be read: ${why}`, {
    code: 'OUTPUT_GONE',
    exitCode: ExitCode.unreachable,
  });
}

/** Size of a file that can only be read: doubled until there is nothing, then halved. */
async function liveSize(readAt: (offset: number, length: number) => Promise<Buffer>): Promise<number> {
  const start = (await readAt(0, probeBytes)).length;
  if (start < probeBytes) return start;
  let low = probeBytes;
  let high = 2 * low;
  while ((await readAt(high, 1)).length > 0) {
    low = high;
    high *= 2;
  }
  while (high - low > probeBytes) {
    const middle = Math.floor((low + high) / 2);
    if ((await readAt(middle, 1)).length > 0) low = middle;
    else high = middle;
  }
  return low + (await readAt(low, high - low)).length;
}
