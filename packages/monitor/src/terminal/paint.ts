import { cut, displayWidth, harmless, type Line, type Style } from './line.ts';

/**
 * Select Graphic Rendition codes (ECMA-48 8.3.117). Only bold, reverse and those of the terminal's own 16 colours that
 * can be read on a light and on a dark ground: no yellow, no white, no blue. Nothing is told by colour alone.
 */
const codes: Readonly<Record<Style, string>> = {
  plain: '',
  strong: '1',
  marked: '7',
  own: '32',
  external: '35',
  warning: '35;1',
  bad: '31;1',
};

const colourless: Partial<Record<Style, string>> = { own: '', external: '', warning: '1', bad: '1' };

/** A line as the terminal takes it: cut to the width, harmless, with what is needed to clear the rest of its row. */
export function paintLine(pieces: Line, columns: number, colour: boolean): string {
  let painted = '';
  let left = columns;
  for (const { text, style } of pieces) {
    const kept = cut(harmless(text), left);
    if (kept === '') continue;
    left -= displayWidth(kept);
    const code = (colour ? undefined : colourless[style]) ?? codes[style];
    painted += code === '' ? kept : `\u001b[${code}m${kept}\u001b[m`;
    if (left <= 0) break;
  }
  // In the last column the cursor stands on what was written, and clearing would take that away.
  return left > 0 ? `${painted}\u001b[K` : painted;
}
