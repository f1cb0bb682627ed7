import type { ParseContext } from './request.ts';
import type { Row } from './row.ts';

/** The text of a job's output. A stream is read when it is asked for, so a parser pays only for what it looks at. */
export interface ParserOutput {
  readonly out: string;
  readonly err: string;
}

/**
 * A built-in parser: pure, from text to rows. Rows are given one by one where there can be many, so that the limit
 * on rows is reached before the memory is gone.
 *
 * @param argument what follows the colon in `csv:;`
 */
export type Parser = (output: ParserOutput, argument: string | undefined, context: ParseContext) => Iterable<Row>;

/**
 * The longest text, in UTF-16 units or bytes, that is handled in one piece. A text taken apart in one go needs many
 * times its own size, and V8's `JSON.parse` cannot be interrupted. Parsers that go line by line take more.
 */
export const wholeTextMax = 16 * 1024 * 1024;
