import type { Writable } from 'node:stream';

import { type Io, write } from '../io.ts';
import type { StreamName } from './attempt-output.ts';
import type { AttemptName, OutputSink } from './sink.ts';

const newline = 10;
/** A line longer than this is printed in parts, so that output without newlines takes no memory. */
const longestHeld = 64 * 1024;
/** On a terminal a line that is not complete (a prompt, dots of progress) is shown when nothing follows for so long. */
const idleMs = 200;

interface Source {
  readonly prefix: Buffer;
  readonly stream: StreamName;
  held: Buffer[];
  heldBytes: number;
  /** Milliseconds since the epoch, of the newest bytes held. */
  since: number;
}

/** Output of several jobs: every line begins with its job's name (`b7.3| `), and lines of two jobs are never mixed. */
export class PrefixSink implements OutputSink {
  readonly #io: Io;
  readonly #sources = new Map<string, Source>();
  /** Whose line stands unfinished on a stream of ours. */
  readonly #unfinished = new Map<Writable, Source>();
  readonly #timer: NodeJS.Timeout | undefined;

  constructor(io: Io) {
    this.#io = io;
    if (io.stdout.isTTY === true) this.#timer = setInterval(() => this.#showIdle(), idleMs / 2);
  }

  async write(from: AttemptName, stream: StreamName, bytes: Buffer): Promise<void> {
    const key = `${from.id} ${stream}`;
    let source = this.#sources.get(key);
    if (source === undefined) {
      source = { prefix: Buffer.from(`${from.id}| `), stream, held: [], heldBytes: 0, since: 0 };
      this.#sources.set(key, source);
    }
    const end = bytes.lastIndexOf(newline) + 1;
    const pieces = end === 0 ? [] : this.#lines(source, Buffer.concat([...take(source), bytes.subarray(0, end)]));
    if (end < bytes.length) hold(source, bytes.subarray(end));
    if (source.heldBytes > longestHeld) pieces.push(...this.#part(source));
    return this.#print(source, pieces);
  }

  async end(from: AttemptName, stream: StreamName): Promise<void> {
    const key = `${from.id} ${stream}`;
    const source = this.#sources.get(key);
    if (source === undefined) return undefined;
    this.#sources.delete(key);
    if (source.heldBytes === 0 && !this.#owns(source)) return undefined;
    return this.#print(source, this.#lines(source, Buffer.concat([...take(source), Buffer.from('\n')])));
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Whole lines with their prefixes; the first goes on where a part of it was printed before. */
  #lines(source: Source, bytes: Buffer): Buffer[] {
    const pieces = this.#begin(source);
    for (let at = 0; at < bytes.length;) {
      const end = bytes.indexOf(newline, at) + 1;
      if (at > 0) pieces.push(source.prefix);
      pieces.push(bytes.subarray(at, end));
      at = end;
    }
    this.#unfinished.delete(this.#target(source));
    return pieces;
  }

  #part(source: Source): Buffer[] {
    const pieces = [...this.#begin(source), ...take(source)];
    this.#unfinished.set(this.#target(source), source);
    return pieces;
  }

  /** What must come before text of this source: the end of another's line, and the prefix. */
  #begin(source: Source): Buffer[] {
    if (this.#owns(source)) return [];
    return this.#unfinished.has(this.#target(source)) ? [Buffer.from('\n'), source.prefix] : [source.prefix];
  }

  #owns(source: Source): boolean {
    return this.#unfinished.get(this.#target(source)) === source;
  }

  #showIdle(): void {
    const now = Date.now();
    for (const source of this.#sources.values()) {
      if (source.heldBytes > 0 && now - source.since >= idleMs) void this.#print(source, this.#part(source));
    }
  }

  async #print(source: Source, pieces: readonly Buffer[]): Promise<void> {
    if (pieces.length > 0) await write(this.#stream(source), Buffer.concat(pieces));
  }

  #stream(source: Source): Writable {
    return source.stream === 'out' ? this.#io.stdout : this.#io.stderr;
  }

  /** Both streams on a terminal share its lines. */
  #target(source: Source): Writable {
    return this.#io.stderr.isTTY === true && this.#io.stdout.isTTY === true ? this.#io.stdout : this.#stream(source);
  }
}

function hold(source: Source, bytes: Buffer): void {
  // Copied: the rest of a large answer must not stay in memory for it.
  source.held.push(Buffer.from(bytes));
  source.heldBytes += bytes.length;
  source.since = Date.now();
}

function take(source: Source): Buffer[] {
  const { held } = source;
  source.held = [];
  source.heldBytes = 0;
  return held;
}
