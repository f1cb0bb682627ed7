import { bytesOf, type Bytes } from '../bytestring.ts';
import { countRange, countRanges, positionInRange } from './arrays.ts';
import { compileTemplate, type FillTemplate } from './placeholders.ts';
import type { Axis, BatchSpec, Item, JobSource } from './spec.ts';

/** One job, ready to start. */
export interface ExpandedJob {
  readonly index: number;
  /**
   * What the job sees as `OMX_VALUE`: the index of an array, the value of a list, the values of a product joined by
   * blanks, the cells of a row joined by commas, the words of its own command joined by blanks; empty for a single job.
   */
  readonly value: Bytes;
  /** With `--shell`: `/bin/sh -c` and the words joined by blanks. */
  readonly argv: Bytes[];
}

/** Turns ordinals into jobs. The command is parsed once, so one expander serves a whole batch. */
export class JobExpander {
  readonly #spec: Pick<BatchSpec, 'command' | 'shell' | 'jobs'>;
  readonly #fill: FillTemplate;

  /** @throws usage error for a placeholder nobody defines */
  constructor(spec: Pick<BatchSpec, 'command' | 'shell' | 'jobs'>) {
    this.#spec = spec;
    this.#fill = compileTemplate(spec.command, spec.jobs, { quote: spec.shell });
  }

  /** @param item the job's entry of the item blocks, where `needsItem` says so */
  expand(ordinal: number, item?: Item): ExpandedJob {
    const { jobs, shell } = this.#spec;
    const index = indexOf(jobs, ordinal);
    if (needsItem(jobs) && item === undefined) throw new Error(`job ${index} of a ${jobs.kind} needs its item`);
    const values = valuesOf(jobs, ordinal, index, item ?? []);
    const words = jobs.kind === 'commands' ? [...values] : this.#fill(index, values);
    const argv = shell ? (['/bin/sh', '-c', words.join(' ')] as Bytes[]) : words;
    return { index, value: values.join(jobs.kind === 'rows' ? ',' : ' ') as Bytes, argv };
  }
}

export function jobCount(source: JobSource): number {
  switch (source.kind) {
    case 'single':
      return 1;
    case 'array':
      return countRanges(source.ranges);
    case 'product':
      return source.axes.reduce((product, axis) => product * axisLength(axis), 1);
    case 'list':
    case 'rows':
    case 'commands':
      return source.count;
  }
}

/** The number users see of the job at an ordinal: the array's own, else counted from 1. */
export function indexOf(source: JobSource, ordinal: number): number {
  if (source.kind !== 'array') return ordinal + 1;
  let rest = ordinal;
  for (const range of source.ranges) {
    const count = countRange(range);
    if (rest < count) return range.first + rest * range.step;
    rest -= count;
  }
  throw new RangeError(`no job at ordinal ${ordinal}`);
}

/** The ordinal of the job users call by this index; undefined where the batch has none. */
export function ordinalOf(source: JobSource, index: number): number | undefined {
  if (source.kind !== 'array') {
    return Number.isInteger(index) && index >= 1 && index <= jobCount(source) ? index - 1 : undefined;
  }
  let before = 0;
  for (const range of source.ranges) {
    const position = positionInRange(range, index);
    if (position !== undefined) return before + position;
    before += countRange(range);
  }
  return undefined;
}

/** Whether each job has an entry in the item blocks beside the spec. */
export function needsItem(source: JobSource): boolean {
  return source.kind === 'list' || source.kind === 'rows' || source.kind === 'commands';
}

export function axisLength(axis: Axis): number {
  return 'range' in axis ? countRange(axis.range) : axis.values.length;
}

function valuesOf(source: JobSource, ordinal: number, index: number, item: Item): readonly Bytes[] {
  if (source.kind === 'single') return [];
  if (source.kind === 'array') return [String(index) as Bytes];
  return source.kind === 'product' ? productValues(source.axes, ordinal) : item;
}

/** The ordinal read as a number whose digits are positions in the axes, the last one fastest. */
function productValues(axes: readonly Axis[], ordinal: number): Bytes[] {
  const values: Bytes[] = [];
  let rest = ordinal;
  for (const axis of axes.toReversed()) {
    const length = axisLength(axis);
    values.push(axisValue(axis, rest % length));
    rest = Math.floor(rest / length);
  }
  return values.toReversed();
}

function axisValue(axis: Axis, position: number): Bytes {
  if ('range' in axis) return bytesOf(String(axis.range.first + position * axis.range.step));
  return axis.values[position] ?? ('' as Bytes);
}
