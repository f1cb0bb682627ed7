import type { Row } from './row.ts';

/** One stream of a job's output: the bytes, or the file that holds them. */
export type OutputSource = Uint8Array | { readonly path: string };

/** What a parser may know of the job whose output it reads. */
export interface ParseContext {
  /** Id of the batch, such as `b7`. */
  readonly batch: string;
  /** The job's index, as users see it. */
  readonly index: number;
  /** The job's `OMX_VALUE`, if its batch gives it one. */
  readonly value?: string | undefined;
  /** Absent when a signal ended the job. */
  readonly exitCode?: number | null | undefined;
}

export interface ParseRequest {
  /** What the user gave to `--parse`. */
  readonly parser: string;
  readonly out: OutputSource;
  readonly err: OutputSource;
  /** The batch's working directory: a parser module's relative path starts there. */
  readonly cwd?: string | undefined;
  readonly context: ParseContext;
}

export type ParseResult = { readonly rows: readonly Row[] } | { readonly error: string };
