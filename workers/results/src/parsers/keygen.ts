import { linesOf } from '../line-split.ts';
import type { ParserOutput } from '../parser.ts';
import type { Row } from '../row.ts';

const summary = /^child (\d+): (\d+) keys of (\d+) bits\s*$/;

/** `keygen`: the summary lines of the distkeygen example, `child <i>: <keys> keys of <bits> bits`. */
export function* parseKeygen({ out }: ParserOutput): Generator<Row> {
  for (const line of linesOf(out)) {
    const match = summary.exec(line);
    if (match !== null) yield { child: Number(match[1]), keys: Number(match[2]), bits: Number(match[3]) };
  }
}
