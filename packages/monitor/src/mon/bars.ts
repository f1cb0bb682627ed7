import type { Line, Style } from '../terminal/line.ts';
import type { Glyphs } from '../terminal/terminal.ts';
import type { Bar } from './measure.ts';

/** One cell of a bar: what stands there, and which part of the bar it is. */
export interface Cell {
  readonly glyph: string;
  readonly style: Style;
}

/** Less of a row is nothing beside another part. */
const seen = 1 / 16;

const empty: Cell = { glyph: ' ', style: 'plain' };

/**
 * A bar from its foot up, a cell a row. The solid part is exact to an eighth of a cell where nothing is above it; a
 * part that is there at all is seen, and what is more than nothing is more than no bar.
 */
export function barCells(bar: Bar, share: (value: number) => number, rows: number, glyphs: Glyphs): Cell[] {
  const all = Math.min(rows, share(bar.solid + bar.light) * rows);
  const solid = Math.min(all, share(bar.solid) * rows);
  if (!(all > 0)) return Array.from({ length: rows }, () => empty);
  const wanted = bar.light <= 0 ? 0 : Math.max(all - solid < seen ? 0 : 1, Math.round(all) - Math.round(solid));
  const top = wanted === 0 ? all : Math.max(Math.round(all), wanted);
  const lightCells = solid >= seen && top >= 2 ? Math.min(wanted, top - 1) : wanted;
  return Array.from({ length: rows }, (_, row): Cell => {
    if (row >= top - lightCells && row < top && lightCells > 0) return { glyph: glyphs.light, style: 'external' };
    const eighths = Math.min(8, Math.round((top - lightCells - row) * 8));
    if (row === 0 && eighths <= 0 && lightCells === 0) return { glyph: glyphs.eighths[0] ?? '_', style: 'own' };
    return eighths <= 0 ? empty : { glyph: glyphs.eighths[eighths - 1] ?? ' ', style: 'own' };
  });
}

/** A word written downwards at the foot of where the bar would be. */
export function wordCells(word: string, rows: number, style: Style): Cell[] {
  const letters = word.slice(0, rows).split('').toReversed();
  return Array.from({ length: rows }, (_, row): Cell => {
    const glyph = letters[row];
    return glyph === undefined ? empty : { glyph, style };
  });
}

/** One row across all bars. */
export function barRow(bars: readonly (readonly Cell[])[], row: number, width: number, slot: number): Line {
  const pieces: { text: string; style: Style }[] = [];
  const add = (text: string, style: Style): void => {
    const open = pieces.at(-1);
    if (open?.style === style) open.text += text;
    else if (text !== '') pieces.push({ text, style });
  };
  for (const cells of bars) {
    const { glyph, style } = cells[row] ?? empty;
    // A letter stands once, a bar is as wide as there is room.
    add(/[A-Z]/.test(glyph) ? glyph + ' '.repeat(width - 1) : glyph.repeat(width), style);
    add(' '.repeat(slot - width), 'plain');
  }
  return pieces;
}
