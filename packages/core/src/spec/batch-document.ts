import type { PathStep } from './problem.ts';

/** A batch file read, before its keys are checked: its values, and where each was written. */
export interface BatchDocument {
  readonly value: unknown;
  /** Where a key, or an entry of a list, starts, as offset into the text; undefined where the file does not say. */
  offsetOf(path: readonly PathStep[]): number | undefined;
  /** How a number or a boolean was written (`007`, `2.50`), where the format keeps that. */
  sourceOf(path: readonly PathStep[]): string | undefined;
}

/** A refusal by the parser of a format. */
export interface SyntaxProblem {
  readonly offset: number;
  readonly what: string;
}

export type DocumentParser = (text: string) => BatchDocument | SyntaxProblem;

/** Line and column, both from 1, of an offset into a text. */
export function lineAndColumn(text: string, offset: number): string {
  const before = text.slice(0, offset);
  const lineStart = before.lastIndexOf('\n') + 1;
  return `${before.split('\n').length}:${characters(before.slice(lineStart)) + 1}`;
}

/** The text of a file, or the offset of the first byte that is not UTF-8 and the text before it. */
export function decodeUtf8(content: Uint8Array): { text: string } | { badAt: string } {
  const decode = (end: number, stream: boolean): string =>
    new TextDecoder('utf-8', { fatal: true }).decode(content.subarray(0, end), { stream });
  try {
    return { text: decode(content.length, false) };
  } catch {
    // Streaming accepts a prefix that is cut inside a character, so acceptance falls exactly once.
    let [good, bad] = [0, content.length + 1];
    while (bad - good > 1) {
      const middle = Math.floor((good + bad) / 2);
      try {
        decode(middle, true);
        good = middle;
      } catch {
        bad = middle;
      }
    }
    const before = decode(good, true);
    return { badAt: lineAndColumn(before, before.length) };
  }
}

/** Characters as an editor counts them: a surrogate pair is one. */
function characters(text: string): number {
  return text.replaceAll(/[\uD800-\uDBFF][\uDC00-\uDFFF]/g, '.').length;
}
