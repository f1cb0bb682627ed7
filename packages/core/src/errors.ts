/** Process exit codes of the command line; scripts rely on them. */
export const ExitCode = {
  ok: 0,
  jobsFailed: 1,
  usage: 2,
  unreachable: 3,
  notFound: 4,
  waitTimeout: 124,
  interrupted: 130,
} as const;

const brand = Symbol.for('omx.error');

export interface OmxErrorOptions {
  /** Stable upper-case name a script may match, such as `SPEC_INVALID`. */
  readonly code: string;
  /** What to try next, in one sentence. */
  readonly hint?: string;
  /** @defaultValue 2, bad usage */
  readonly exitCode?: number;
  readonly cause?: unknown;
}

/**
 * The one error omx throws on purpose. The message says what could not be done, to which thing, and why.
 * Recognise it by `isOmxError`, not by `instanceof`: two copies of this package may meet in one process.
 */
export class OmxError extends Error {
  readonly code: string;
  readonly hint: string | undefined;
  readonly exitCode: number;
  readonly [brand] = true;

  constructor(message: string, options: OmxErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'OmxError';
    this.code = options.code;
    this.hint = options.hint;
    this.exitCode = options.exitCode ?? ExitCode.usage;
  }
}

export function isOmxError(value: unknown): value is OmxError {
  return typeof value === 'object' && value !== null && brand in value;
}

/** Bad usage: an option, a selector or a value the user typed. */
export function usageError(message: string, hint?: string): OmxError {
  return new OmxError(message, { code: 'USAGE', exitCode: ExitCode.usage, ...(hint === undefined ? {} : { hint }) });
}

/** Any thrown value as an Error. */
export function errorOf(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
