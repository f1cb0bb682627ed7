import { errorOf } from '@omx/core';
import { linesOf } from '../line-split.ts';
import { wholeTextMax, type ParserOutput } from '../parser.ts';
import type { JsonValue, Row } from '../row.ts';

/**
 * `json`: an object is a row, an array a row for each element, several documents (one a line, NDJSON) rows for each;
 * what is no object becomes `{value}`. An output of nothing but blanks has no rows.
 */
export function* parseJson({ out }: ParserOutput): Generator<Row> {
  if (isNdjson(out)) yield* ndjsonRows(out);
  else if (out.trim() !== '') yield* rowsOf(documentOf(out, 'the output'));
}

/** Whether the first of several lines is a document by itself; then the text as a whole cannot be one. */
function isNdjson(text: string): boolean {
  const lines = filledLines(text);
  const first = lines.next();
  if (first.done === true || lines.next().done === true) return false;
  const [, line] = first.value;
  try {
    documentOf(line, '');
    return true;
  } catch {
    return false;
  }
}

function* ndjsonRows(text: string): Generator<Row> {
  for (const [number, line] of filledLines(text)) yield* rowsOf(documentOf(line, `line ${number} of the output`));
}

function* filledLines(text: string): Generator<[number, string]> {
  let number = 0;
  for (const line of linesOf(text)) {
    number += 1;
    if (line.trim() !== '') yield [number, line];
  }
}

function documentOf(text: string, name: string): JsonValue {
  if (text.length > wholeTextMax) throw new Error(`${name} is a JSON document of more than ${wholeTextMax} characters`);
  try {
    const document: JsonValue = JSON.parse(text);
    return document;
  } catch (error) {
    throw new Error(`${name} is not JSON: ${errorOf(error).message}`, { cause: error });
  }
}

function* rowsOf(document: JsonValue): Generator<Row> {
  if (Array.isArray(document)) for (const element of document as readonly JsonValue[]) yield rowOf(element);
  else yield rowOf(document);
}

function rowOf(value: JsonValue): Row {
  return isRow(value) ? value : { value };
}

function isRow(value: JsonValue): value is Row {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
