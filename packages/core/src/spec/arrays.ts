import { usageError } from '../errors.ts';
import { checkJobCount } from './job-limit.ts';
import type { IndexRange } from './spec.ts';

export interface ArrayJobs {
  /** Sorted by their first index; no index occurs twice. */
  readonly ranges: readonly IndexRange[];
  /** At most so many jobs at once. */
  readonly throttle?: number;
}

/** Every pair of interleaved ranges is compared; a list longer than this is a list of values, not an array. */
const maxRanges = 10_000;
const forms = 'write it as 1-40, 1-9:2 (every second), 3,5,8-10 or 1-1000%50 (at most 50 at once)';

/**
 * The indexes of `--array`: `7`, `1-40`, `1-9:2`, `3,5,8-10`, `1-1000%50`; `1_000_000` may have underscores.
 * @throws usage error for malformed text, descending ranges, a step of 0, indexes given twice, and more than `maxJobs`
 */
export function parseArray(input: string | number): ArrayJobs {
  const [list = '', limit, ...rest] = String(input).replaceAll(/\s+/g, '').split('%');
  if (list === '' || rest.length > 0) throw usageError(`'${input}' is not an array of indexes`, forms);
  const parts = list.split(',');
  if (parts.length > maxRanges) {
    throw usageError(`an array of ${parts.length} parts is too long`, 'put the numbers in a file and use --each');
  }
  const ranges = parts.map((part) => parseRange(part, input)).sort((a, b) => a.first - b.first);
  checkJobCount(countRanges(ranges));
  refuseDuplicates(ranges);
  return limit === undefined ? { ranges } : { ranges, throttle: parseThrottle(limit, input) };
}

/** How many numbers a range has; the step may be negative. */
export function countRange(range: IndexRange): number {
  return Math.max(0, Math.floor((range.last - range.first) / range.step) + 1);
}

export function countRanges(ranges: readonly IndexRange[]): number {
  return ranges.reduce((sum, range) => sum + countRange(range), 0);
}

/** The position of a number in the range, undefined where it is not one of them. */
export function positionInRange(range: IndexRange, number: number): number | undefined {
  const position = (number - range.first) / range.step;
  return Number.isInteger(position) && position >= 0 && position < countRange(range) ? position : undefined;
}

function parseRange(part: string, input: string | number): IndexRange {
  const match = /^(\d[\d_]*)(?:-(\d[\d_]*))?(?::(\d[\d_]*))?$/.exec(part);
  const [, from, to, by] = match ?? [];
  if (from === undefined || (by !== undefined && to === undefined)) {
    const hint = part.startsWith('-') ? 'an index is 0 or more' : forms;
    throw usageError(`'${part}' in '${input}' is not an index or a range`, hint);
  }
  const [first, last, step] = [toNumber(from), toNumber(to ?? from), toNumber(by ?? '1')];
  if (!Number.isSafeInteger(first) || !Number.isSafeInteger(last) || !Number.isSafeInteger(step)) {
    throw usageError(`a number in '${part}' is too large`);
  }
  if (step === 0) throw usageError(`the step of '${part}' is 0`, 'a step is 1 or more');
  if (last < first)
    throw usageError(`'${part}' runs downwards`, `write ${last}-${first}; --order reverse runs it downwards`);
  return { first, last: last - ((last - first) % step), step };
}

function parseThrottle(text: string, input: string | number): number {
  const throttle = /^\d[\d_]*$/.test(text) ? toNumber(text) : 0;
  if (throttle < 1 || !Number.isSafeInteger(throttle)) {
    throw usageError(`'%${text}' in '${input}' is not a number of jobs at once`, 'write 1-1000%50');
  }
  return throttle;
}

function toNumber(digits: string): number {
  return Number(digits.replaceAll('_', ''));
}

function refuseDuplicates(sorted: readonly IndexRange[]): void {
  // Ranges that a later one may still reach into; single indexes and plain ranges leave at once.
  let open: IndexRange[] = [];
  for (const range of sorted) {
    open = open.filter((earlier) => earlier.last >= range.first);
    for (const earlier of open) {
      const twice = firstShared(earlier, range);
      if (twice !== undefined) throw usageError(`index ${twice} is given twice`, 'each index is one job');
    }
    open.push(range);
  }
}

/** The smallest number both ranges have: two arithmetic progressions meet by the Chinese remainder theorem. */
function firstShared(a: IndexRange, b: IndexRange): number | undefined {
  const [finer, coarser] = a.step <= b.step ? [a, b] : [b, a];
  const start = Math.max(a.first, b.first);
  const end = Math.min(a.last, b.last);
  let candidate = coarser.first + Math.ceil(Math.max(0, start - coarser.first) / coarser.step) * coarser.step;
  // Residues repeat after finer.step steps, so a longer search finds nothing new.
  for (let tries = 0; tries < finer.step && candidate <= end; tries += 1, candidate += coarser.step) {
    if ((candidate - finer.first) % finer.step === 0) return candidate;
  }
  return undefined;
}
