import { OmxError } from '@omx/core';
import type { ThreadTask } from './entry/parse-output.ts';
import { faultMessage } from './fault-message.ts';
import { ParserThreads, type ThreadEnd } from './parser-threads.ts';
import type { OutputSource, ParseRequest, ParseResult } from './request.ts';
import type { Row } from './row.ts';
import { settledWithin } from './settled-within.ts';

export interface ResultsPoolOptions {
  /** Requests worked on at the same time. @defaultValue 1 */
  readonly threads?: number;
  /** Time for one request, from the moment a thread has it. @defaultValue 10_000 */
  readonly timeoutMs?: number;
  /** JavaScript memory of a thread; beside it there is room for the output itself. @defaultValue 256 */
  readonly maxOldGenerationMb?: number;
  /** Rows of one job. @defaultValue 100_000 */
  readonly maxRows?: number;
  /** Rows of one job together, as JSON. @defaultValue 8 MiB */
  readonly maxRowBytes?: number;
  /** One stream of a job's output; a module and a JSON document get 16 MiB at most. @defaultValue 64 MiB */
  readonly maxOutputBytes?: number;
  /** An unused thread is given back after so long. @defaultValue 5_000 */
  readonly idleMs?: number;
}

const mebibyte = 1024 * 1024;
const endGraceMs = 5_000;

/**
 * Runs parsers over the output of jobs, in threads that start with the first request and go when there is nothing to
 * do. A parser's fault, of whatever kind, is an `error` in the result of its own request and touches no other.
 *
 * Memory is measured from outside, every 50 ms: a module that allocates more than two gigabytes within one of them can
 * still take the process with it. No parser that merely reads too much comes near that.
 */
export class ResultsPool {
  readonly #options: Required<ResultsPoolOptions>;
  readonly #threads: ParserThreads;
  readonly #waiting: (() => void)[] = [];
  #secondAttempts: Promise<unknown> = Promise.resolve();
  #running = 0;
  #closing: Promise<void> | undefined;
  /** Set while `close` waits for the last request. */
  #idle: (() => void) | undefined;
  /** From here on threads die because the pool ends, not because of a parser. */
  #ended = false;

  constructor(options: ResultsPoolOptions = {}) {
    this.#options = {
      threads: options.threads ?? 1,
      timeoutMs: options.timeoutMs ?? 10_000,
      maxOldGenerationMb: options.maxOldGenerationMb ?? 256,
      maxRows: options.maxRows ?? 100_000,
      maxRowBytes: options.maxRowBytes ?? 8 * mebibyte,
      maxOutputBytes: options.maxOutputBytes ?? 64 * mebibyte,
      idleMs: options.idleMs ?? 5_000,
    };
    this.#threads = new ParserThreads(this.#options);
  }

  /** Requests are served in the order they came. Rejects only for {@link close}, with `RESULTS_POOL_CLOSED`. */
  async parse(request: ParseRequest): Promise<ParseResult> {
    if (this.#closing !== undefined) throw closedError(request);
    await this.#enter();
    try {
      return await this.#parseNow(request);
    } catch (error) {
      // What was cut off says nothing about the parser, and must not be stored as if it did.
      if (this.#ended) throw closedError(request);
      return { error: faultMessage(error) };
    } finally {
      this.#leave();
    }
  }

  /** Takes no more requests, gives those it has the time limit of one to finish, and ends the threads. */
  close(): Promise<void> {
    this.#closing ??= this.#finish();
    return this.#closing;
  }

  /**
   * A request whose thread died is tried once more: the death may be the doing of another parser, one beside it or an
   * earlier one that left a timer, an unhandled rejection or a full heap behind.
   */
  async #parseNow(request: ParseRequest): Promise<ParseResult> {
    const first = await this.#attempt(request);
    const end = first.kind === 'died' || first.kind === 'out-of-memory' ? await this.#secondAttempt(request) : first;
    switch (end.kind) {
      case 'answer':
        return 'error' in end.result ? end.result : { rows: rowsOf(end.result.rowsJson) };
      case 'timed-out':
        return { error: `the parser did not end within ${this.#options.timeoutMs / 1000} s` };
      case 'out-of-memory':
        return { error: `the parser used more than ${this.#options.maxOldGenerationMb} MiB of memory` };
      case 'died':
        return { error: `the parser ended its thread: ${faultMessage(end.error)}` };
    }
  }

  /** One at a time, so that a culprit does not meet its victims again. */
  #secondAttempt(request: ParseRequest): Promise<ThreadEnd> {
    const end = this.#secondAttempts.then(() => this.#attempt(request));
    this.#secondAttempts = end.catch(() => undefined);
    return end;
  }

  async #attempt(request: ParseRequest): Promise<ThreadEnd> {
    if (this.#ended) throw closedError(request);
    const { task, transferList } = this.#taskOf(request);
    const end = await this.#threads.run(task, transferList);
    if (this.#ended && end.kind !== 'answer') throw closedError(request);
    return end;
  }

  #taskOf(request: ParseRequest): { task: ThreadTask; transferList: ArrayBuffer[] } {
    const transferList: ArrayBuffer[] = [];
    // Copied, then handed over: posting a view would copy the whole buffer under it, which may be a pool's.
    const handedOver = (source: OutputSource): OutputSource => {
      if (!(source instanceof Uint8Array)) return { path: source.path };
      const copy = new Uint8Array(source);
      transferList.push(copy.buffer);
      return copy;
    };
    const { parser, cwd, context } = request;
    const own = { parser, cwd, context, out: handedOver(request.out), err: handedOver(request.err) };
    const { maxRows, maxRowBytes, maxOutputBytes } = this.#options;
    return { task: { request: own, limits: { maxRows, maxRowBytes, maxOutputBytes } }, transferList };
  }

  async #enter(): Promise<void> {
    if (this.#running < this.#options.threads) this.#running += 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** A place that becomes free goes straight to the next in line. */
  #leave(): void {
    const next = this.#waiting.shift();
    if (next !== undefined) return next();
    this.#running -= 1;
    if (this.#running === 0) this.#idle?.();
  }

  async #finish(): Promise<void> {
    if (this.#running > 0) {
      const idle = new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
      await settledWithin(idle, this.#options.timeoutMs);
    }
    this.#ended = true;
    await this.#threads.close(endGraceMs);
  }
}

function rowsOf(json: string): readonly Row[] {
  const rows: readonly Row[] = JSON.parse(json);
  return rows;
}

function closedError({ context: { batch, index } }: ParseRequest): OmxError {
  return new OmxError(`the output of ${batch}.${index} is not parsed: the results pool is closed`, {
    code: 'RESULTS_POOL_CLOSED',
  });
}
