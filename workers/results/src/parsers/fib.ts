import { linesOf } from '../line-split.ts';
import { numberOrText } from '../numeric-text.ts';
import type { ParserOutput } from '../parser.ts';
import type { Row } from '../row.ts';

const value = /^\s*(\d+)\s*->\s*(-?\d+)\s*$/;

/**
 * `fib`: the lines `n -> value` of multifibo, in the order printed. Its other lines (`n -> started`,
 * `n -> done [pid]`, `[count]`, `Done!`) are passed over.
 */
export function* parseFib({ out }: ParserOutput): Generator<Row> {
  for (const line of linesOf(out)) {
    const [, n, fib] = value.exec(line) ?? [];
    if (n !== undefined && fib !== undefined) yield { n: Number(n), fib: numberOrText(fib) };
  }
}
