import type { Readable, Writable } from 'node:stream';

import type { Size } from './line.ts';

/** A terminal with somebody in front of it. */
export interface Terminal {
  readonly input: Readable & { setRawMode(raw: boolean): unknown };
  readonly output: Writable & { readonly columns?: number; readonly rows?: number };
  readonly colour: boolean;
  /** What it can show beyond ASCII. */
  readonly glyphs: Glyphs;
}

export interface Glyphs {
  /** A cell filled to so many eighths, 1 to 8. */
  readonly eighths: string;
  /** A cell of the part that is not the main one. */
  readonly light: string;
  readonly axis: string;
  readonly base: string;
  readonly corner: string;
}

/** Block elements where the locale is UTF-8 (locale(7): the first of these variables that is not empty decides). */
export function glyphsFor(env: Readonly<Record<string, string | undefined>>): Glyphs {
  const locale = [env['LC_ALL'], env['LC_CTYPE'], env['LANG']].find((value) => (value ?? '') !== '') ?? '';
  return /utf-?8/i.test(locale) ? blocks : ascii;
}

export const blocks: Glyphs = { eighths: '▁▂▃▄▅▆▇█', light: '░', axis: '│', base: '─', corner: '└' };
export const ascii: Glyphs = { eighths: '   .::##', light: '+', axis: '|', base: '-', corner: '+' };

/** A terminal that does not know its size, as on a serial line, is taken for the smallest common one. */
export function sizeOf({ output }: Pick<Terminal, 'output'>): Size {
  return { columns: output.columns || 80, rows: output.rows || 24 };
}
