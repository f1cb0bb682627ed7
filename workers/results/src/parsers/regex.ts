import { errorOf, OmxError } from '@omx/core';
import { numberOrText } from '../numeric-text.ts';
import type { ParserOutput } from '../parser.ts';
import type { JsonValue, Row } from '../row.ts';

/**
 * `regex:PATTERN`: a row for each match of a JavaScript regular expression, `^` and `$` matching at lines.
 * Columns are the named groups; without any, the groups as `g1`, `g2`, …; without groups, `match`.
 */
export function* parseRegex({ out }: ParserOutput, pattern: string | undefined): Generator<Row> {
  for (const match of out.matchAll(compiled(pattern))) {
    // A match of nothing (`\d*` between two letters) says nothing.
    if (match[0] === '') continue;
    const row = rowOf(match);
    if (Object.keys(row).length > 0) yield row;
  }
}

/** Refuses a pattern that is missing or that JavaScript cannot read. */
export function checkRegex(pattern: string | undefined): void {
  compiled(pattern);
}

function compiled(pattern: string | undefined): RegExp {
  if (pattern === undefined || pattern === '') {
    throw new OmxError('parser regex needs a pattern', {
      code: 'PARSER_INVALID',
      hint: String.raw`write it after a colon, as in 'regex:loss=(?<loss>[\d.]+)'`,
    });
  }
  try {
    return new RegExp(pattern, 'gm');
  } catch (error) {
    throw new OmxError(`parser regex: ${errorOf(error).message}`, {
      code: 'PARSER_INVALID',
      hint: 'it is a JavaScript regular expression, without slashes around it',
      cause: error,
    });
  }
}

function rowOf(match: RegExpExecArray): Row {
  if (match.groups !== undefined) return cells(Object.entries(match.groups));
  if (match.length === 1) return { match: numberOrText(match[0]) };
  return cells(match.slice(1).map((text, index) => [`g${index + 1}`, text] as const));
}

/** A group that took no part in the match is left out. */
function cells(groups: readonly (readonly [string, string | undefined])[]): Row {
  const taken: [string, JsonValue][] = [];
  for (const [name, text] of groups) if (text !== undefined) taken.push([name, numberOrText(text)]);
  return Object.fromEntries(taken);
}
