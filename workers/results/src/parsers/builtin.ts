import type { Parser } from '../parser.ts';
import { checkCsv, parseCsv } from './csv.ts';
import { parseFib } from './fib.ts';
import { parseJson } from './json.ts';
import { parseKeygen } from './keygen.ts';
import { parseKeyvalue } from './keyvalue.ts';
import { parseLines } from './lines.ts';
import { checkRegex, parseRegex } from './regex.ts';
import { parseTime } from './time.ts';

export interface BuiltinParser {
  /** How users write it. */
  readonly usage: string;
  readonly parse: Parser;
  /** Throws an OmxError on a bad argument; a parser without it takes none. */
  readonly checkArgument?: (argument: string | undefined) => void;
}

/** The parsers omx brings, by the name given to `--parse`. */
export const builtinParsers: ReadonlyMap<string, BuiltinParser> = new Map<string, BuiltinParser>([
  ['lines', { usage: 'lines', parse: parseLines }],
  ['regex', { usage: 'regex:PATTERN', parse: parseRegex, checkArgument: checkRegex }],
  ['keyvalue', { usage: 'keyvalue', parse: parseKeyvalue }],
  ['csv', { usage: 'csv[:DELIMITER]', parse: parseCsv, checkArgument: checkCsv }],
  ['json', { usage: 'json', parse: parseJson }],
  ['fib', { usage: 'fib', parse: parseFib }],
  ['keygen', { usage: 'keygen', parse: parseKeygen }],
  ['time', { usage: 'time', parse: parseTime }],
]);
