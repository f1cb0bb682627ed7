import { linesOf } from '../line-split.ts';
import type { ParserOutput } from '../parser.ts';
import type { Row } from '../row.ts';

/** Bash writes `real 0m1.234s`, `time -p` writes `real 1.23`, ksh adds hours; some locales write a decimal comma. */
const timing = /^\s*(real|user|sys)\s+(?:(\d+)h)?(?:(\d+)m)?(\d+(?:[.,]\d+)?)s?\s*$/;

/**
 * `time`: the real, user and sys lines of the shell's `time`, in seconds; a row for each complete set of three.
 * They are looked for in standard error, where `time` writes, and else in standard output (`2>&1`).
 */
export function* parseTime(output: ParserOutput): Generator<Row> {
  let any = false;
  for (const row of timesOf(output.err)) {
    any = true;
    yield row;
  }
  if (!any) yield* timesOf(output.out);
}

function* timesOf(text: string): Generator<Row> {
  let found = new Map<string, number>();
  for (const line of linesOf(text)) {
    const [, name, hours = '0', minutes = '0', seconds = '0'] = timing.exec(line) ?? [];
    if (name === undefined) continue;
    // Every shell prints real first; a lone `user 9` before it belongs to something else.
    if (name === 'real') found = new Map();
    else if (!found.has('real')) continue;
    found.set(name, Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds.replace(',', '.')));
    if (found.size === 3) {
      yield { real: rounded(found.get('real')), user: rounded(found.get('user')), sys: rounded(found.get('sys')) };
      found = new Map();
    }
  }
}

/** Microseconds: sums in binary would show as 205.04500000000002. */
function rounded(seconds = 0): number {
  return Math.round(seconds * 1e6) / 1e6;
}
