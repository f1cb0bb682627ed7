import { OmxError } from '@omx/core';
import { numberOrText } from '../numeric-text.ts';
import type { ParserOutput } from '../parser.ts';
import type { JsonValue, Row } from '../row.ts';
import { recordsOf, type Cell } from './csv-record.ts';

/**
 * `csv`, `csv:;`, `csv:tab`: the first record names the columns, each further one is a row. Quoted cells stay text,
 * others become numbers where they read as such. A missing cell is left out; one beyond the header is `column<n>`.
 */
export function* parseCsv({ out }: ParserOutput, argument: string | undefined): Generator<Row> {
  let columns: readonly string[] | undefined;
  for (const cells of recordsOf(out, delimiterOf(argument))) {
    if (columns === undefined) columns = columnNames(cells);
    else yield rowOf(columns, cells);
  }
}

/** Refuses a delimiter that is not a single character. */
export function checkCsv(argument: string | undefined): void {
  delimiterOf(argument);
}

function delimiterOf(argument: string | undefined): string {
  if (argument === undefined) return ',';
  if (argument === 'tab' || argument === String.raw`\t`) return '\t';
  if (/^[^"\r\n]$/.test(argument)) return argument;
  throw new OmxError(`parser csv: the delimiter '${argument}' is not a single character`, {
    code: 'PARSER_INVALID',
    hint: 'write csv, csv:; or csv:tab',
  });
}

/** Every column gets a name of its own: an empty one its number, a repeated one its number too. */
function columnNames(header: readonly Cell[]): string[] {
  const seen = new Set<string>();
  return header.map(({ text }, index) => {
    const name = text === '' || seen.has(text) ? `${text || 'column'}${index + 1}` : text;
    seen.add(name);
    return name;
  });
}

function rowOf(columns: readonly string[], cells: readonly Cell[]): Row {
  const named = cells.map(({ text, quoted }, index): [string, JsonValue] => [
    columns[index] ?? `column${index + 1}`,
    quoted ? text : numberOrText(text),
  ]);
  return Object.fromEntries(named);
}
