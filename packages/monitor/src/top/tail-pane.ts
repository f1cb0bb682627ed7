import { StringDecoder } from 'node:string_decoder';
import { Writable } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';

import { line, type Line, type Size, wrap } from '../terminal/line.ts';

const linesKept = 5000;
/** A line without end must not fill the memory. */
const longestLine = 10_000;

/** The output of a job on a whole screen: keeps the newest lines, follows them unless scrolled back. */
export class TailPane {
  readonly id: string;
  /** Complete lines, and one for each stream that is not complete yet. */
  readonly #lines: string[] = [];
  readonly #onNews: () => void;
  readonly #open = new Map<Writable, string>();
  /** Rows between the newest and the last one seen. */
  #back = 0;
  #state = 'following';

  constructor(id: string, onNews: () => void) {
    this.id = id;
    this.#onNews = onNews;
  }

  /** A stream whose text goes here. */
  stream(): Writable {
    const decoder = new StringDecoder('utf8');
    const stream = new Writable({
      decodeStrings: true,
      write: (chunk: Buffer, _encoding, done) => {
        this.#add(stream, decoder.write(chunk));
        done();
      },
    });
    return stream;
  }

  /** Nothing more comes. */
  end(why: string): void {
    this.#state = why;
    this.#onNews();
  }

  /** @returns true to go back to the table */
  key(key: string, { rows }: Size): boolean {
    const page = Math.max(1, rows - 2);
    const step = { up: 1, k: 1, down: -1, j: -1, pageup: page, pagedown: -page }[key];
    if (step !== undefined) this.#back = Math.max(0, this.#back + step);
    else if (key === 'home' || key === 'g') this.#back = Infinity;
    else if (key === 'end' || key === 'G') this.#back = 0;
    return ['q', 'Q', 'escape', 't', 'left'].includes(key);
  }

  lines({ columns, rows }: Size): Line[] {
    const page = Math.max(1, rows - 2);
    const text = [...this.#lines, ...[...this.#open.values()].filter((open) => open !== '')];
    const tail: string[] = [];
    for (let at = text.length - 1; at >= 0 && tail.length < page + this.#back; at -= 1)
      tail.unshift(...wrap(shown(text[at] ?? ''), Math.max(1, columns)));
    this.#back = Math.min(this.#back, Math.max(0, tail.length - page));
    const last = tail.length - this.#back;
    const seen = tail.slice(Math.max(0, last - page), last).map((row) => line(row));
    const where = this.#back > 0 ? `${this.#back} rows below` : this.#state;
    const empty = Array.from({ length: page - seen.length }, (): Line => []);
    return [
      line(`${this.id}: ${where}`, 'strong'),
      ...seen,
      ...empty,
      line('q back  up down page-up page-down  home  end'),
    ].slice(0, rows);
  }

  #add(stream: Writable, text: string): void {
    const pieces = ((this.#open.get(stream) ?? '') + text).split('\n');
    this.#open.set(stream, (pieces.pop() ?? '').slice(-longestLine));
    this.#lines.push(...pieces.map((piece) => piece.slice(-longestLine)));
    this.#lines.splice(0, this.#lines.length - linesKept);
    this.#onNews();
  }
}

/** A line as a terminal would show it in the end: without colours, tabs as blanks, what a carriage return wrote over gone. */
function shown(text: string): string {
  const plain = stripVTControlCharacters(text).replaceAll('\t', '    ').replace(/\r+$/, '');
  return plain.slice(plain.lastIndexOf('\r') + 1);
}
