import { usageError } from './errors.ts';

/** An inclusive range of job ordinals (or indexes, where users type them). */
export interface Span {
  readonly first: number;
  readonly last: number;
}

/**
 * A compact list of job numbers in the order in which they are to run: `0-99`, `7,3,12`, `9-5` counts down.
 * Chunks, selectors and revisions all use this one format.
 */
export function formatSpans(spans: readonly Span[]): string {
  return spans.map((span) => (span.first === span.last ? String(span.first) : `${span.first}-${span.last}`)).join(',');
}

/** Throws a usage error on anything but numbers, `-` and `,`. */
export function parseSpans(text: string): Span[] {
  return text.split(',').map((part) => {
    const match = /^(\d{1,15})(?:-(\d{1,15}))?$/.exec(part.trim());
    if (match === null)
      throw usageError(`'${part}' is not a number or a range of numbers`, 'write 3 or 3-9, joined by commas');
    const first = Number(match[1]);
    return { first, last: match[2] === undefined ? first : Number(match[2]) };
  });
}

export function spanSize(span: Span): number {
  return Math.abs(span.last - span.first) + 1;
}

export function countSpans(spans: readonly Span[]): number {
  return spans.reduce((sum, span) => sum + spanSize(span), 0);
}

export function* eachOf(spans: readonly Span[]): Generator<number> {
  for (const { first, last } of spans) {
    const step = last < first ? -1 : 1;
    for (let number = first; number !== last + step; number += step) yield number;
  }
}

/** Neighbouring numbers joined into spans; the order is kept. */
export function spansOf(numbers: Iterable<number>): Span[] {
  const spans: { first: number; last: number }[] = [];
  for (const number of numbers) {
    const open = spans.at(-1);
    if (open !== undefined && open.last >= open.first && number === open.last + 1) open.last = number;
    else if (open !== undefined && open.last <= open.first && number === open.last - 1) open.last = number;
    else spans.push({ first: number, last: number });
  }
  return spans;
}

/** The first `count` numbers, and the rest. */
export function splitSpans(spans: readonly Span[], count: number): { readonly head: Span[]; readonly tail: Span[] } {
  const head: Span[] = [];
  const tail: Span[] = [];
  let left = count;
  for (const span of spans) {
    const size = spanSize(span);
    const taken = Math.min(left, size);
    const step = span.last < span.first ? -1 : 1;
    if (taken > 0) head.push({ first: span.first, last: span.first + step * (taken - 1) });
    if (taken < size) tail.push({ first: span.first + step * taken, last: span.last });
    left -= taken;
  }
  return { head, tail };
}

export function spansInclude(spans: readonly Span[], number: number): boolean {
  return spans.some((span) => number >= Math.min(span.first, span.last) && number <= Math.max(span.first, span.last));
}
