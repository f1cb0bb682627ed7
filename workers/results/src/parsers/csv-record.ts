export interface Cell {
  readonly text: string;
  readonly quoted: boolean;
}

const maxCells = 10_000;

/**
 * The records of a text in RFC 4180 form: quoted cells may hold delimiters, line ends and doubled quotes. Blank lines
 * are passed over. Blanks around a cell go, because programs print `%d, %d`; blanks inside quotes stay.
 */
export function* recordsOf(text: string, delimiter: string): Generator<Cell[]> {
  let at = 0;
  let record = 0;
  while (at < text.length) {
    record += 1;
    const cells: Cell[] = [];
    let more = true;
    while (more) {
      const { cell, end } = cellAt(text, at, { delimiter, record });
      cells.push(cell);
      if (cells.length > maxCells) throw new Error(`csv record ${record} has more than ${maxCells} cells`);
      more = text[end] === delimiter;
      at = more ? end + 1 : afterLineEnd(text, end);
    }
    const blank = cells.length === 1 && cells[0]?.text === '' && !cells[0].quoted;
    if (!blank) yield cells;
  }
}

interface Place {
  readonly delimiter: string;
  readonly record: number;
}

function cellAt(text: string, start: number, place: Place): { cell: Cell; end: number } {
  const first = skipBlanks(text, start, place.delimiter);
  if (text[first] === '"') return quotedCellAt(text, first, place);
  let end = first;
  while (end < text.length && text[end] !== place.delimiter && text[end] !== '\n') end += 1;
  const raw = text.slice(first, end);
  // With blanks as delimiter there is nothing to trim but the carriage return of a line end.
  return { cell: { text: place.delimiter === ' ' ? raw.replace(/\r$/, '') : raw.trim(), quoted: false }, end };
}

function quotedCellAt(text: string, start: number, { delimiter, record }: Place): { cell: Cell; end: number } {
  let close = text.indexOf('"', start + 1);
  while (close !== -1 && text[close + 1] === '"') close = text.indexOf('"', close + 2);
  if (close === -1) throw new Error(`csv record ${record}: a quote is opened and never closed`);
  let end = skipBlanks(text, close + 1, delimiter);
  if (text[end] === '\r') end += 1;
  if (end < text.length && text[end] !== delimiter && text[end] !== '\n') {
    throw new Error(`csv record ${record}: text follows a closing quote`);
  }
  return { cell: { text: text.slice(start + 1, close).replaceAll('""', '"'), quoted: true }, end };
}

function skipBlanks(text: string, start: number, delimiter: string): number {
  let at = start;
  if (delimiter !== ' ') while (text[at] === ' ') at += 1;
  return at;
}

function afterLineEnd(text: string, end: number): number {
  return end < text.length ? end + 1 : end;
}
