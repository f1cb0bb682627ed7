import { linesOf } from '../line-split.ts';
import type { ParserOutput } from '../parser.ts';
import type { Row } from '../row.ts';

/** `lines`: every line of the output with its number, counted from 1. */
export function* parseLines({ out }: ParserOutput): Generator<Row> {
  let line = 0;
  for (const text of linesOf(out)) {
    line += 1;
    yield { line, text };
  }
}
