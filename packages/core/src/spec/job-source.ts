import { bytesOf, type Bytes } from '../bytestring.ts';
import { usageError } from '../errors.ts';
import { parseArray } from './arrays.ts';
import { jobCount } from './expand.ts';
import { checkJobCount } from './job-limit.ts';
import { listedParam } from './params.ts';
import { specError, within, type Where } from './problem.ts';
import type { RawBatch } from './raw-batch.ts';
import { rawParams, type SourceContent } from './sources.ts';
import type { Axis, Item, JobSource } from './spec.ts';
import { splitWords } from './words.ts';

/** Where the jobs of a batch come from, with the items that are stored beside the spec. */
export interface CompiledJobs {
  readonly jobs: JobSource;
  readonly items: readonly Item[] | undefined;
  readonly throttle?: number;
}

const sourceKeys = ['array', 'each', 'values', 'param', 'csv', 'commands'] as const;

/**
 * Compiles the one option that says where the jobs come from; without any there is a single job.
 * @throws SPEC_INVALID where two are given, for none or too many jobs, and for values no argument can hold
 */
export function compileJobs(raw: RawBatch, sources: SourceContent, where: Where): CompiledJobs {
  const [key, second] = sourceKeys.filter((name) => raw[name] !== undefined);
  if (key !== undefined && second !== undefined) {
    const places = `${nameOf(where, key)} and ${nameOf(where, second)}`;
    throw specError(where([second]), `${places} both say where the jobs come from`, 'give one of them');
  }
  if (raw.null !== undefined && typeof raw.each !== 'string') {
    throw specError(where(['null']), 'it is about the file of --each, and there is none', 'add --each FILE');
  }
  if (key === undefined) return { jobs: { kind: 'single' }, items: undefined };
  const compiled = within(where([key]), () => compileSource(key, raw, sources, where));
  if (compiled.items !== undefined) checkItems(compiled.items, where([key]));
  within(where([key]), () => checkJobCount(jobCount(compiled.jobs)));
  return compiled;
}

function compileSource(
  key: (typeof sourceKeys)[number],
  raw: RawBatch,
  sources: SourceContent,
  where: Where,
): CompiledJobs {
  switch (key) {
    case 'array': {
      const { ranges, throttle } = parseArray(raw.array ?? '');
      return { jobs: { kind: 'array', ranges }, items: undefined, ...(throttle === undefined ? {} : { throttle }) };
    }
    case 'each': {
      const values = sources.each ?? wordsOf(raw.each, 'each');
      return { jobs: { kind: 'list', count: values.length }, items: values.map((value) => [value]) };
    }
    case 'values': {
      const lists = sources.values ?? raw.values?.map((list) => list.map((value) => bytesOf(String(value)))) ?? [];
      const axes = lists.map((values, position) => ({ name: String(position + 1), values }));
      return product(axes);
    }
    case 'param':
      return product(
        rawParams(raw, where).map((param) => ('file' in param ? paramOfFile(param.name, sources) : param)),
      );
    case 'csv': {
      const table = sources.csv;
      if (table === undefined) throw new Error('csv needs its table: call loadSources first');
      return { jobs: { kind: 'rows', columns: table.columns, count: table.rows.length }, items: table.rows };
    }
    case 'commands': {
      const commands = sources.commands ?? inlineCommands(raw, where);
      return { jobs: { kind: 'commands', count: commands.length }, items: commands };
    }
  }
}

function product(axes: readonly Axis[]): CompiledJobs {
  if (axes.length === 0) throw usageError('there are no values, so there would be no jobs');
  for (const axis of axes) {
    if ('range' in axis) continue;
    if (axis.values.length === 0) throw usageError(`${axis.name} has no values, so there would be no jobs`);
    if (axis.values.some((value) => value.includes('\0'))) throw usageError(`a value of ${axis.name} holds a NUL byte`);
  }
  return { jobs: { kind: 'product', axes }, items: undefined };
}

function paramOfFile(name: string, sources: SourceContent): Axis {
  const values = sources.params?.get(name);
  if (values === undefined) throw new Error(`the parameter ${name} needs its file: call loadSources first`);
  return listedParam(name, values);
}

function inlineCommands(raw: RawBatch, where: Where): Bytes[][] {
  const { commands = [] } = raw;
  if (typeof commands === 'string') throw new Error('commands needs its file: call loadSources first');
  return commands.map((line, position) => {
    const name = where(['commands', position]);
    const words = raw.shell === true ? [bytesOf(line)] : splitWords(bytesOf(line), { name });
    if ((words[0] ?? '').trim() === '') throw specError(name, 'there is no command to run');
    return words;
  });
}

function wordsOf(words: RawBatch['each'], key: string): Bytes[] {
  if (typeof words === 'string') throw new Error(`${key} needs its file: call loadSources first`);
  return (words ?? []).map((word) => bytesOf(String(word)));
}

function checkItems(items: readonly Item[], place: string): void {
  if (items.length === 0) throw specError(place, 'there are no values, so there would be no jobs');
  const bad = items.findIndex((item) => item.some((value) => value.includes('\0')));
  if (bad >= 0) {
    const what = `value ${bad + 1} holds a NUL byte, which no argument can`;
    throw specError(place, what, '-0 reads a list whose values end in NUL bytes');
  }
}

function nameOf(where: Where, key: string): string {
  // A batch file says its place first; the name of the key is what comes last.
  return where([key]).split('  ').at(-1) ?? key;
}
