import { Buffer } from 'node:buffer';

export interface RowLimits {
  readonly maxRows: number;
  /** Of all rows of one job together, as JSON. */
  readonly maxRowBytes: number;
}

/**
 * The rows as one JSON array, within the limits. JSON's own rules hold (`undefined` is left out, NaN becomes null, a
 * date its ISO text), with two additions: a BigInt becomes its decimal text, and a value that JSON would drop
 * without a word (function, symbol, Map, Set) is refused.
 */
export function encodeRows(rows: Iterable<unknown>, { maxRows, maxRowBytes }: RowLimits): string {
  const texts: string[] = [];
  let bytes = 0;
  for (const row of rows) {
    if (texts.length === maxRows) throw new Error(`more than ${maxRows} rows, the limit for one job`);
    const text = rowText(row, texts.length + 1);
    bytes += Buffer.byteLength(text) + 1;
    if (bytes > maxRowBytes) throw new Error(`rows of more than ${maxRowBytes} bytes, the limit for one job`);
    texts.push(text);
  }
  return `[${texts.join()}]`;
}

function rowText(row: unknown, number: number): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(row, jsonable) as string | undefined;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    // V8 draws the whole cycle over several lines.
    throw new Error(`row ${number} is not JSON: ${message.split('\n', 1)[0] ?? ''}`, { cause: error });
  }
  if (text?.startsWith('{') === true) return text;
  throw new Error(`row ${number} is ${kindOf(row)}, and a row must be an object of named values`);
}

function jsonable(name: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'function' || typeof value === 'symbol' || value instanceof Map || value instanceof Set) {
    throw new TypeError(`${name === '' ? 'it' : `'${name}'`} is ${kindOf(value)}`);
  }
  return value;
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return 'an array';
  if (value instanceof Map) return 'a Map';
  if (value instanceof Set) return 'a Set';
  return typeof value === 'object' ? 'an object that says it is none' : `a ${typeof value}`;
}
