/** A word written in a batch file, where numbers and booleans need no quotes. */
export type RawWord = string | number | boolean;

/** `KEY=VALUE`, one or several, or an object of them. */
export type RawPairs = string | readonly string[] | Readonly<Record<string, RawWord>>;

/**
 * A batch as its user wrote it: the options of `omx submit`, by the same names in a batch file and on the command line.
 * Texts are UTF-8; words that are not can be given as bytes beside it (`SourceContent`). At most one of `array`, `each`,
 * `values`, `param`, `csv` and `commands` says where the jobs come from.
 */
export interface RawBatch {
  readonly name?: string | undefined;
  /** A text is split into words as a shell splits them (with `shell` it is kept whole). */
  readonly command?: string | readonly RawWord[] | undefined;
  readonly shell?: boolean | undefined;
  readonly array?: string | number | undefined;
  /** A file of values, or the values. */
  readonly each?: string | readonly RawWord[] | undefined;
  /** The values of `each` end in NUL bytes (`-0`). */
  readonly null?: boolean | undefined;
  /** The lists of `:::`. */
  readonly values?: readonly (readonly RawWord[])[] | undefined;
  /** `NAME=VALUES` texts, or an object of names with `1..10`, `a,b,c`, `@FILE`, or the values. */
  readonly param?: string | readonly string[] | Readonly<Record<string, RawWord | readonly RawWord[]>> | undefined;
  readonly csv?: string | undefined;
  /** A file of command lines, or the lines. */
  readonly commands?: string | readonly string[] | undefined;
  readonly launcher?: string | undefined;
  readonly node?: string | readonly string[] | undefined;
  readonly label?: RawPairs | undefined;
  readonly cpus?: string | number | undefined;
  readonly mem?: string | number | undefined;
  readonly time?: string | number | undefined;
  readonly grace?: string | number | undefined;
  readonly retries?: string | number | undefined;
  readonly 'retry-on'?: string | readonly string[] | undefined;
  readonly backoff?: string | number | undefined;
  readonly 'max-fails'?: string | number | undefined;
  readonly priority?: string | number | undefined;
  readonly order?: string | undefined;
  readonly after?: string | readonly string[] | undefined;
  readonly cwd?: string | undefined;
  readonly env?: RawPairs | undefined;
  readonly 'clean-env'?: boolean | undefined;
  readonly stdin?: string | undefined;
  readonly 'max-output'?: string | number | undefined;
  readonly parse?: string | undefined;
  readonly key?: string | undefined;
  readonly hold?: boolean | undefined;
  /** `on` or `off`, or a boolean. */
  readonly balance?: string | boolean | undefined;
  readonly 'checkpoint-every'?: string | number | undefined;
  readonly oversubscribe?: boolean | undefined;
  readonly 'fork-migrate'?: boolean | undefined;
}

export type OptionName = keyof RawBatch;
