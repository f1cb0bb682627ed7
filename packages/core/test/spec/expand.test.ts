import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { bytesOf, type Bytes } from '../../src/bytestring.ts';
import { parseArray } from '../../src/spec/arrays.ts';
import { indexOf, jobCount, JobExpander, needsItem, ordinalOf } from '../../src/spec/expand.ts';
import type { Axis, JobSource } from '../../src/spec/spec.ts';

const words = (...texts: string[]): Bytes[] => texts.map((text) => bytesOf(text));

describe('JobExpander', () => {
  it('expands a single job as it is', () => {
    const expander = new JobExpander({ command: words('p', '{}'), shell: false, jobs: { kind: 'single' } });
    expect(expander.expand(0)).toEqual({ index: 1, value: '', argv: ['p', '{}'] });
  });

  it('expands an array by its own numbers', () => {
    const jobs: JobSource = { kind: 'array', ranges: parseArray('3,5-9:2').ranges };
    const expander = new JobExpander({ command: words('p', '{}'), shell: false, jobs });
    expect(expander.expand(2)).toEqual({ index: 7, value: '7', argv: ['p', '7'] });
  });

  it('expands lists, rows and commands by their items', () => {
    const list = new JobExpander({ command: words('p'), shell: false, jobs: { kind: 'list', count: 2 } });
    expect(list.expand(1, words('a b'))).toEqual({ index: 2, value: 'a b', argv: ['p', 'a b'] });
    const jobs: JobSource = { kind: 'rows', columns: ['x', 'y'], count: 1 };
    const rows = new JobExpander({ command: words('p', '{y}{x}'), shell: false, jobs });
    expect(rows.expand(0, words('1', '2'))).toEqual({ index: 1, value: '1,2', argv: ['p', '21'] });
    const commands = new JobExpander({ command: [], shell: false, jobs: { kind: 'commands', count: 1 } });
    expect(commands.expand(0, words('q', '{}', 'z'))).toEqual({ index: 1, value: 'q {} z', argv: ['q', '{}', 'z'] });
    expect(() => list.expand(0)).toThrow('needs its item');
  });

  it('hands a shell the words joined, values quoted', () => {
    const list = new JobExpander({ command: words('wc', '-c', '<{}'), shell: true, jobs: { kind: 'list', count: 1 } });
    expect(list.expand(0, words('a b')).argv).toEqual(['/bin/sh', '-c', "wc -c <'a b'"]);
    const commands = new JobExpander({ command: [], shell: true, jobs: { kind: 'commands', count: 1 } });
    expect(commands.expand(0, words('a | b')).argv).toEqual(['/bin/sh', '-c', 'a | b']);
  });

  it('makes the product the way nested loops do', () => {
    const range = fc
      .record({ first: fc.integer({ min: -9, max: 9 }), length: fc.nat(4), step: fc.constantFrom(1, 2, -1, -3) })
      .map(({ first, length, step }) => ({ first, last: first + length * step, step }));
    const axis = fc.oneof(
      fc
        .array(fc.string({ unit: 'binary-ascii' }), { minLength: 1, maxLength: 4 })
        .map((values) => ({ values: words(...values) })),
      range.map((each) => ({ range: each })),
    );
    fc.assert(
      fc.property(fc.array(axis, { minLength: 1, maxLength: 4 }), (parts) => {
        const named: Axis[] = parts.map((part, position) => ({ name: String(position + 1), ...part }));
        const naive = named.reduce<string[][]>(
          (rows, part) => rows.flatMap((row) => valuesOf(part).map((value) => [...row, value])),
          [[]],
        );
        const jobs: JobSource = { kind: 'product', axes: named };
        const expander = new JobExpander({ command: words('p'), shell: false, jobs });
        expect(jobCount(jobs)).toBe(naive.length);
        expect(naive.map((_, ordinal) => expander.expand(ordinal).argv.slice(1))).toEqual(naive);
      }),
    );
  });
});

describe('ordinals and indexes', () => {
  const sources: JobSource[] = [
    { kind: 'single' },
    { kind: 'list', count: 5 },
    { kind: 'array', ranges: parseArray('0,2-8:2,3-9:6,100-120').ranges },
    {
      kind: 'product',
      axes: [
        { name: 'N', range: { first: 1, last: 3, step: 1 } },
        { name: 'M', values: words('a', 'b') },
      ],
    },
  ];

  it.each(sources)('$kind: each is the inverse of the other', (source) => {
    const indexes = Array.from({ length: jobCount(source) }, (_, ordinal) => indexOf(source, ordinal));
    expect(new Set(indexes).size).toBe(indexes.length);
    for (let index = -1; index < 130; index += 1) {
      const ordinal = indexes.indexOf(index);
      expect(ordinalOf(source, index)).toBe(ordinal < 0 ? undefined : ordinal);
    }
    expect(ordinalOf(source, 1.5)).toBeUndefined();
  });

  it('reaches the end of ten million at once', () => {
    const source: JobSource = { kind: 'array', ranges: parseArray('1-10_000_000').ranges };
    expect(indexOf(source, 9_999_999)).toBe(10_000_000);
    expect(() => indexOf(source, 10_000_000)).toThrow(RangeError);
  });

  it('knows who needs an item', () => {
    expect(sources.map((source) => needsItem(source))).toEqual([false, true, false, false]);
  });
});

function valuesOf(axis: Axis): string[] {
  if ('values' in axis) return [...axis.values];
  const { first, last, step } = axis.range;
  const values: string[] = [];
  for (let value = first; step > 0 ? value <= last : value >= last; value += step) values.push(String(value));
  return values;
}
