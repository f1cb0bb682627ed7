import { type Io, write } from '../io.ts';
import type { StreamName } from './attempt-output.ts';
import { Utf8Pieces } from './utf8-pieces.ts';

const newline = 10;

/** Whose output it is. */
export interface AttemptName {
  /** `b7.3`. */
  readonly id: string;
  readonly attempt: number;
  /** Name of the node that ran or runs it. */
  readonly node: string | null;
}

/**
 * Where output goes. The bytes are handed to the stream before `write` returns, so calls keep their order; the promise
 * says when there is room for more.
 */
export interface OutputSink {
  write(from: AttemptName, stream: StreamName, bytes: Buffer): Promise<void>;
  /** Nothing more comes of this stream of the attempt. */
  end(from: AttemptName, stream: StreamName): Promise<void>;
}

/** Bytes as they are, each stream to its own or both to stdout. */
export class RawSink implements OutputSink {
  readonly #io: Io;
  readonly #merged: boolean;
  readonly #before: () => void;
  #newest: number = newline;

  /** @param options.before called before each write, to take away a line that shows progress */
  constructor(io: Io, options: { readonly merged: boolean; readonly before?: () => void }) {
    this.#io = io;
    this.#merged = options.merged;
    this.#before = options.before ?? (() => {});
  }

  /** Whether the newest output ended its line. */
  get isAtLineStart(): boolean {
    return this.#newest === newline;
  }

  async write(_from: AttemptName, stream: StreamName, bytes: Buffer): Promise<void> {
    this.#before();
    this.#newest = bytes.at(-1) ?? this.#newest;
    return write(stream === 'out' || this.#merged ? this.#io.stdout : this.#io.stderr, bytes);
  }

  async end(): Promise<void> {}
}

/** A JSON object a piece: NDJSON, or the elements of one array. */
export class JsonSink implements OutputSink {
  readonly #io: Io;
  readonly #array: boolean;
  readonly #open = new Map<string, Utf8Pieces>();
  #count = 0;

  constructor(io: Io, options: { readonly array: boolean }) {
    this.#io = io;
    this.#array = options.array;
  }

  async write(from: AttemptName, stream: StreamName, bytes: Buffer): Promise<void> {
    const key = `${from.id}#${from.attempt} ${stream}`;
    let pieces = this.#open.get(key);
    if (pieces === undefined) {
      pieces = new Utf8Pieces();
      this.#open.set(key, pieces);
    }
    return this.#print(from, stream, pieces.next(bytes));
  }

  async end(from: AttemptName, stream: StreamName): Promise<void> {
    const key = `${from.id}#${from.attempt} ${stream}`;
    const rest = this.#open.get(key)?.end();
    this.#open.delete(key);
    return this.#print(from, stream, rest);
  }

  /** Closes the array. */
  async close(): Promise<void> {
    if (this.#array) await write(this.#io.stdout, this.#count === 0 ? '[]\n' : ']\n');
  }

  async #print(
    { id, attempt, node }: AttemptName,
    stream: StreamName,
    content: ReturnType<Utf8Pieces['next']>,
  ): Promise<void> {
    if (content === undefined) return undefined;
    const json = JSON.stringify({ id, attempt, stream: stream === 'out' ? 'stdout' : 'stderr', node, ...content });
    this.#count += 1;
    if (!this.#array) return write(this.#io.stdout, `${json}\n`);
    return write(this.#io.stdout, `${this.#count === 1 ? '[' : ',\n'}${json}`);
  }
}
