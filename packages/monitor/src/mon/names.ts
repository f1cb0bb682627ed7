import { fit } from '../terminal/line.ts';

/**
 * What all names have in common at their beginning, up to where they differ in a number or after a separator: `node-` of
 * `node-01` and `node-12`. Empty where nothing can be left out.
 */
export function commonBeginning(names: readonly string[]): string {
  const [first = '', ...others] = names;
  if (others.length === 0) return '';
  let length = 0;
  while (length < first.length && others.every((name) => name[length] === first[length])) length += 1;
  const digits = /\d*$/.exec(first.slice(0, length))?.[0].length ?? 0;
  const before = first.slice(0, length - digits);
  if (before !== '' && names.every((name) => /^\d/.test(name.slice(before.length)))) return before;
  return /^.*[-._]/.exec(first.slice(0, length))?.[0] ?? '';
}

/** Names side by side, each written downwards: one text a row. Of a long one that ends in a number, the end is kept. */
export function downwards(names: readonly string[], rows: number, slot: number): string[] {
  const seen = names.map((name) => (name.length > rows && /\d$/.test(name) ? name.slice(-rows) : name));
  return Array.from({ length: rows }, (_, row) => seen.map((name) => fit(name[row] ?? '', slot)).join(''));
}
