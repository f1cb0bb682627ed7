import { bytesFromBuffer, isUtf8, textOf, type Bytes } from '../bytestring.ts';
import { specError } from './problem.ts';

export interface CsvTable {
  /** Names of the columns, from the header row. */
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Bytes[])[];
}

/**
 * A comma-separated table as RFC 4180 has it: fields in double quotes may hold commas, newlines and doubled quotes;
 * rows end in LF or CRLF; a byte order mark is passed over. Cells stay byte for byte. Empty lines are passed over unless
 * the table has one column, where they are empty cells.
 * @throws SPEC_INVALID with name:line:column for ragged rows, stray quotes, and header names that are empty, doubled or not UTF-8
 */
export function parseCsv(content: Uint8Array, name: string): CsvTable {
  const scanner = new CsvScanner(bytesFromBuffer(content), name);
  const header = scanner.row();
  if (header === undefined) throw specError(name, 'the file is empty', 'the first row names the columns');
  const columns = checkHeader(header, scanner);
  const rows: Bytes[][] = [];
  for (let row = scanner.row(); row !== undefined; row = scanner.row()) {
    if (row.cells.length === columns.length) rows.push(row.cells);
    else if (!row.blank) {
      const what = `the row has ${count(row.cells.length, 'field')}, the header has ${columns.length}`;
      throw scanner.problem(row.start, what, 'a field with a comma or a newline is written in double quotes');
    }
  }
  return { columns, rows };
}

interface Row {
  readonly cells: Bytes[];
  readonly start: number;
  readonly starts: number[];
  readonly blank: boolean;
}

class CsvScanner {
  readonly #text: string;
  readonly #name: string;
  #at: number;

  constructor(text: string, name: string) {
    this.#text = text;
    this.#name = name;
    this.#at = text.startsWith('\u00EF\u00BB\u00BF') ? 3 : 0;
  }

  row(): Row | undefined {
    const start = this.#at;
    if (start >= this.#text.length) return undefined;
    const cells: Bytes[] = [];
    const starts: number[] = [];
    for (;;) {
      starts.push(this.#at);
      cells.push(this.#text[this.#at] === '"' ? this.#quoted() : this.#plain());
      if (this.#text[this.#at] !== ',') break;
      this.#at += 1;
    }
    const blank = cells.length === 1 && this.#at === start;
    this.#at += this.#lineEnd();
    return { cells, start, starts, blank };
  }

  problem(offset: number, what: string, hint?: string): Error {
    const before = this.#text.slice(0, offset);
    const lineStart = before.lastIndexOf('\n') + 1;
    const line = before.split('\n').length;
    const column = textOf(before.slice(lineStart) as Bytes).length + 1;
    return specError(`${this.#name}:${line}:${column}`, what, hint);
  }

  #plain(): Bytes {
    const from = this.#at;
    const run = /[^",\r\n]*/y;
    for (;;) {
      run.lastIndex = this.#at;
      run.test(this.#text);
      this.#at = run.lastIndex;
      // A carriage return that ends no line is text.
      if (this.#text[this.#at] !== '\r' || this.#lineEnd() > 0) break;
      this.#at += 1;
    }
    if (this.#text[this.#at] === '"') {
      const hint = 'put the field in quotes and double the quote: "a ""b"""';
      throw this.problem(this.#at, 'a quote inside a field without quotes', hint);
    }
    return this.#text.slice(from, this.#at) as Bytes;
  }

  #quoted(): Bytes {
    const from = this.#at;
    let end = from;
    do {
      end = this.#text.indexOf('"', end + 1);
      if (end < 0) throw this.problem(from, 'the quote is never closed');
      // A doubled quote stands for one and does not end the field.
    } while (this.#text[end + 1] === '"' && (end += 1) > 0);
    this.#at = end + 1;
    if (this.#at < this.#text.length && this.#text[this.#at] !== ',' && this.#lineEnd() === 0) {
      throw this.problem(this.#at, 'text after the closing quote', 'a quote inside a field is doubled: ""');
    }
    return this.#text.slice(from + 1, end).replaceAll('""', '"') as Bytes;
  }

  /** The length of the line end here, 0 where there is none. */
  #lineEnd(): number {
    if (this.#text[this.#at] === '\n') return 1;
    return this.#text[this.#at] === '\r' && this.#text[this.#at + 1] === '\n' ? 2 : 0;
  }
}

function checkHeader(header: Row, scanner: CsvScanner): string[] {
  const seen = new Set<string>();
  return header.cells.map((cell, index) => {
    const refuse = (what: string, hint?: string): Error => scanner.problem(header.starts[index] ?? 0, what, hint);
    if (cell === '') throw refuse('a column without a name', 'the first row names the columns');
    if (!isUtf8(cell)) throw refuse('a column name that is not UTF-8');
    const name = textOf(cell);
    if (seen.has(name)) throw refuse(`two columns are named '${name}'`);
    seen.add(name);
    return name;
  });
}

function count(number: number, thing: string): string {
  return `${number} ${thing}${number === 1 ? '' : 's'}`;
}
