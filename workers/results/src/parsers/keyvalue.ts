import { linesOf } from '../line-split.ts';
import { numberOrText } from '../numeric-text.ts';
import type { ParserOutput } from '../parser.ts';
import type { JsonValue, Row } from '../row.ts';

const maxKeys = 10_000;
const key = String.raw`[\p{L}_][\p{L}\p{N}_./-]*`;
/** Either in quotes or not starting with one: a value both could match would be tried both ways, for every pair. */
const value = String.raw`(?:"[^"]*"|(?!")\S*)`;
/** A line of several pairs: `step=3 loss=0.25 note="two words"`. */
const pairs = new RegExp(String.raw`^(?:${key}=${value}(?:\s+|$))+$`, 'u');
const pair = new RegExp(String.raw`(${key})=(${value})`, 'gu');
const assignment = new RegExp(String.raw`^(${key})\s*=\s*(.*)$`, 'u');
/** Names may have blanks here (`Final loss: 0.25`), and a blank must follow the colon: `12:30:01` and URLs are no pairs. */
const labelled = new RegExp(String.raw`^(${key}(?: ${key})*)\s*:(?:\s+(.*))?$`, 'u');

/**
 * `keyvalue`: all lines `key=value` and `key: value` of the output as one row; other lines are passed over, and of
 * two values for a key the later counts. No pair at all is no row.
 */
export function parseKeyvalue({ out }: ParserOutput): Row[] {
  const found = new Map<string, JsonValue>();
  for (const line of linesOf(out)) {
    for (const [name, text] of pairsOf(line.trim())) found.set(name, valueOf(text));
    if (found.size > maxKeys) throw new Error(`more than ${maxKeys} keys in one output`);
  }
  return found.size === 0 ? [] : [Object.fromEntries(found)];
}

function pairsOf(line: string): (readonly [string, string])[] {
  if (pairs.test(line)) return Array.from(line.matchAll(pair), ([, name = '', text = '']) => [name, text] as const);
  const [, name, text = ''] = assignment.exec(line) ?? labelled.exec(line) ?? [];
  return name === undefined ? [] : [[name, text]];
}

/** Quotes around a value go, and keep it text. */
function valueOf(text: string): JsonValue {
  const quote = text[0];
  if (text.length > 1 && (quote === '"' || quote === "'") && text.endsWith(quote)) return text.slice(1, -1);
  return numberOrText(text);
}
