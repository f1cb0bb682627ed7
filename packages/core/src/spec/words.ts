import { textOf, type Bytes } from '../bytestring.ts';
import { specError } from './problem.ts';

/** Where a line stands, for messages. */
export interface LinePlace {
  /** What the user calls the text: a file name or an option. */
  readonly name: string;
  /** Number of the line in its file, from 1; without it the text is no file. */
  readonly line?: number;
}

/**
 * The words of one line as a POSIX shell splits them: single and double quotes, backslashes, blanks. Nothing is
 * expanded and no character is an operator: `*`, `$`, `|` and `;` reach the program.
 * @throws SPEC_INVALID with name:line:column for an unterminated quote or a backslash at the end
 */
export function splitWords(line: Bytes, place: LinePlace): Bytes[] {
  const words: Bytes[] = [];
  // A word is also made by empty quotes, so its start is remembered apart from its text.
  let word: string | undefined;
  let at = 0;
  while (at < line.length) {
    const char = line.charAt(at);
    if (isBlank(char)) {
      if (word !== undefined) words.push(word as Bytes);
      word = undefined;
      at += 1;
    } else if (char === "'") {
      const end = line.indexOf("'", at + 1);
      if (end < 0) throw unterminated(line, at, place);
      word = (word ?? '') + line.slice(at + 1, end);
      at = end + 1;
    } else if (char === '"') {
      const quoted = readDoubleQuotes(line, at, place);
      word = (word ?? '') + quoted.text;
      at = quoted.end;
    } else if (char === '\\') {
      if (at + 1 === line.length)
        throw placed(line, at, place, 'the line ends in a backslash', 'each line is one command');
      word = (word ?? '') + line.charAt(at + 1);
      at += 2;
    } else {
      const end = endOfPlain(line, at);
      word = (word ?? '') + line.slice(at, end);
      at = end;
    }
  }
  if (word !== undefined) words.push(word as Bytes);
  return words;
}

/**
 * The lines of a commands file that hold a command, with their numbers: blank lines and lines whose first character is
 * `#` are passed over.
 * @throws SPEC_INVALID for Windows line ends, which would become part of the last word of every command
 */
export function commandLines(content: Bytes, name: string): { readonly line: number; readonly text: Bytes }[] {
  const found: { line: number; text: Bytes }[] = [];
  for (const [index, text] of content.split('\n').entries()) {
    if (/^[ \t\r]*(#|$)/.test(text)) continue;
    if (text.endsWith('\r')) {
      const hint = `sed -i 's/\\r$//' ${name}`;
      throw specError(
        `${name}:${index + 1}:${text.length}`,
        'the line ends in a carriage return (Windows line ends)',
        hint,
      );
    }
    found.push({ line: index + 1, text: text as Bytes });
  }
  return found;
}

/** One word for a POSIX shell: as it is where that is safe, else in single quotes. */
export function quoteWord(word: Bytes): Bytes {
  if (/^[\w./:=@%+,-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", String.raw`'\''`)}'` as Bytes;
}

function readDoubleQuotes(line: Bytes, start: number, place: LinePlace): { text: string; end: number } {
  let text = '';
  for (let at = start + 1; at < line.length; at += 1) {
    const char = line.charAt(at);
    if (char === '"') return { text, end: at + 1 };
    const next = line.charAt(at + 1);
    // Inside double quotes a backslash keeps its place before anything it cannot quote.
    if (char === '\\' && next !== '' && '$`"\\'.includes(next)) {
      text += next;
      at += 1;
    } else {
      text += char;
    }
  }
  throw unterminated(line, start, place);
}

function endOfPlain(line: Bytes, from: number): number {
  let at = from;
  while (at < line.length && !isBlank(line.charAt(at)) && !'\'"\\'.includes(line.charAt(at))) at += 1;
  return at;
}

function isBlank(char: string): boolean {
  return char === ' ' || char === '\t' || char === '\n';
}

function unterminated(line: Bytes, at: number, place: LinePlace): Error {
  return placed(
    line,
    at,
    place,
    `the quote ${line.charAt(at)} is never closed`,
    String.raw`close it, or write \ before it`,
  );
}

/** Columns count characters, as editors do. */
function placed(line: Bytes, at: number, place: LinePlace, what: string, hint: string): Error {
  const column = textOf(line.slice(0, at) as Bytes).length + 1;
  if (place.line === undefined) return specError(place.name, `${what} (character ${column})`, hint);
  return specError(`${place.name}:${place.line}:${column}`, what, hint);
}
