import stringWidth from 'string-width';

/** What a piece of a line stands for; `paint.ts` says how that looks. */
export type Style = 'plain' | 'strong' | 'marked' | 'own' | 'external' | 'warning' | 'bad';

export interface Piece {
  readonly text: string;
  readonly style: Style;
}

/** One line of a screen. It may be longer than the screen is wide: it is cut when it is drawn. */
export type Line = readonly Piece[];

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

export function line(text: string, style: Style = 'plain'): Line {
  return text === '' ? [] : [{ text, style }];
}

export function lineText(pieces: Line): string {
  return pieces.map(({ text }) => text).join('');
}

/** Two texts at the ends of one line; the right one gives way where both have no room. */
export function apart(left: Line, right: Line, columns: number): Line {
  const gap = columns - lineWidth(left) - lineWidth(right);
  return gap < 2 ? left : [...left, { text: ' '.repeat(gap), style: left.at(-1)?.style ?? 'plain' }, ...right];
}

export function lineWidth(pieces: Line): number {
  return pieces.reduce((sum, { text }) => sum + displayWidth(text), 0);
}

/** Columns a text takes; wide characters take two. */
export function displayWidth(text: string): number {
  return /^[\u0020-\u007e]*$/.test(text) ? text.length : stringWidth(text);
}

/** Cut or filled up to exactly so many columns. */
export function fit(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const kept = cut(text, width);
  const fill = ' '.repeat(Math.max(0, width - displayWidth(kept)));
  return align === 'right' ? fill + kept : kept + fill;
}

/** The beginning of a text, so many columns at most. */
export function cut(text: string, width: number): string {
  if (width <= 0) return '';
  if (displayWidth(text) <= width) return text;
  let kept = '';
  let used = 0;
  for (const character of text) {
    used += displayWidth(character);
    if (used > width) break;
    kept += character;
  }
  return kept;
}

/** A text on as many lines as it needs. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (let rest = text; ;) {
    // A character wider than the screen must not keep this for ever.
    const head = cut(rest, width) || (/^./su.exec(rest)?.[0] ?? '');
    lines.push(head);
    rest = rest.slice(head.length);
    if (rest === '') return lines;
  }
}

/** Text of users and programs must not steer the terminal: controls and invisible formatting become `?`. */
export function harmless(text: string): string {
  return /^[\u0020-\u007e]*$/.test(text) ? text : text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?');
}
