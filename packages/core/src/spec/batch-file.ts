import type { z } from 'zod';

import { usageError } from '../errors.ts';
import {
  decodeUtf8,
  lineAndColumn,
  type BatchDocument,
  type DocumentParser,
  type SyntaxProblem,
} from './batch-document.ts';
import { nearest } from './nearest.ts';
import { specError, type PathStep, type Where } from './problem.ts';
import type { RawBatch } from './raw-batch.ts';

export type BatchFileFormat = 'yaml' | 'toml' | 'json';

export interface BatchFile {
  readonly raw: RawBatch;
  /** `file:line:column  key` of a key in this file, for refusals found later. */
  readonly where: Where;
}

const maxFileBytes = 16 * 2 ** 20;

/**
 * Reads a batch file: syntax, keys and each value by itself are checked, relations between keys by `compileBatch`.
 * Where a word of a command or a value is a number, it is kept as it was written (`007`, `2.50`; TOML keeps the number alone).
 * @param name what the user calls the file, for messages
 * @throws SPEC_INVALID `file:line:column  key: reason` for the first problem; files over 16 MiB are not looked at
 */
export async function parseBatchFile(name: string, content: Uint8Array, format: BatchFileFormat): Promise<BatchFile> {
  if (content.length > maxFileBytes) {
    const hint = 'put the values in a file of their own and name it with each, csv or commands';
    throw specError(name, `the file has ${content.length} bytes, a batch file at most ${maxFileBytes}`, hint);
  }
  const decoded = decodeUtf8(content);
  if ('badAt' in decoded) throw specError(`${name}:${decoded.badAt}`, 'not UTF-8 text');
  const { text } = decoded;
  if (text.trim() === '') throw specError(name, 'the file is empty', 'it needs at least a command');
  const parse = await parserOf(format);
  const document = parse(text);
  if (isSyntaxProblem(document)) throw specError(`${name}:${lineAndColumn(text, document.offset)}`, document.what);
  const where: Where = (path) => describePlace(name, text, document, path);
  return { raw: await check(withWrittenWords(document), where), where };
}

/** The format of a batch file by its extension. @throws usage error listing the extensions */
export function formatOfFile(name: string): BatchFileFormat {
  const extension = /\.([^./]+)$/.exec(name)?.[1]?.toLowerCase();
  if (extension === 'yaml' || extension === 'yml') return 'yaml';
  if (extension === 'toml' || extension === 'json') return extension;
  throw usageError(`'${name}' is not a batch file by its name`, 'a batch file ends in .yaml, .yml, .toml or .json');
}

/** The JSON Schema of batch files. */
export async function batchFileJsonSchema(): Promise<Record<string, unknown>> {
  const schema = await import('./schema.ts');
  return schema.batchFileJsonSchema();
}

/** Parsers and zod are loaded when a file is read: most commands never need them, and they cost more than all else. */
async function parserOf(format: BatchFileFormat): Promise<DocumentParser> {
  switch (format) {
    case 'yaml':
      return (await import('./batch-yaml.ts')).parseYamlDocument;
    case 'toml':
      return (await import('./batch-toml.ts')).parseTomlDocument;
    case 'json':
      return (await import('./batch-json.ts')).parseJsonDocument;
  }
}

async function check(value: unknown, where: Where): Promise<RawBatch> {
  const { batchFileSchema } = await import('./schema.ts');
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw specError(where([]), 'a batch file is a set of keys, such as command: [./prog, "{}"]');
  }
  // Editors find the schema by this key (https://json-schema.org/understanding-json-schema/reference/schema#schema).
  const { $schema: _, ...keys } = value as { readonly $schema?: unknown };
  const result = batchFileSchema.safeParse(keys);
  if (result.success) return result.data;
  const issue = innermost(result.error.issues[0] as z.core.$ZodIssue);
  if (issue.code === 'unrecognized_keys') {
    const [key = ''] = issue.keys;
    const guess = nearest(key, Object.keys(batchFileSchema.shape));
    const hint = guess === undefined ? 'omx schema lists the keys' : `did you mean ${guess}?`;
    throw specError(where([...steps(issue), key]), 'no such key', hint);
  }
  const hint: unknown = issue.code === 'custom' ? issue.params?.['hint'] : undefined;
  throw specError(where(steps(issue)), issue.message, typeof hint === 'string' ? hint : undefined);
}

/** Of a value that fits no branch, the branch that came furthest tells the place best. */
function innermost(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== 'invalid_union') return issue;
  const inner = issue.errors.flat().find((candidate) => candidate.path.length > 0);
  return inner === undefined ? issue : innermost({ ...inner, path: [...issue.path, ...inner.path] });
}

function steps(issue: z.core.$ZodIssue): PathStep[] {
  return issue.path.map((step) => (typeof step === 'number' ? step : String(step)));
}

function describePlace(name: string, text: string, document: BatchDocument, path: readonly PathStep[]): string {
  const [first = '', ...rest] = path;
  const key = `${first}${rest.map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`)).join('')}`;
  // The nearest thing around it that has a place; a missing key is the matter of the whole file.
  for (let length = path.length; length >= 0; length -= 1) {
    const offset = document.offsetOf(path.slice(0, length));
    if (offset !== undefined) return `${name}:${lineAndColumn(text, offset)}${key === '' ? '' : `  ${key}`}`;
  }
  return `${name}:1:1${key === '' ? '' : `  ${key}`}`;
}

/** The keys whose numbers and booleans are words for a program, which must see what was written. */
const wordKeys = new Set(['command', 'each', 'values', 'param', 'env', 'label']);

function withWrittenWords(document: BatchDocument): unknown {
  const { value } = document;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const asWritten = (part: unknown, path: readonly PathStep[]): unknown => {
    if (typeof part === 'number' || typeof part === 'boolean') return document.sourceOf(path) ?? String(part);
    if (Array.isArray(part)) return part.map((item, index) => asWritten(item, [...path, index]));
    if (typeof part !== 'object' || part === null || part instanceof Date) return part;
    return Object.fromEntries(Object.entries(part).map(([key, item]) => [key, asWritten(item, [...path, key])]));
  };
  const entries = Object.entries(value).map(([key, part]) => [
    key,
    wordKeys.has(key) && typeof part === 'object' ? asWritten(part, [key]) : part,
  ]);
  return Object.fromEntries(entries) as unknown;
}

function isSyntaxProblem(result: BatchDocument | SyntaxProblem): result is SyntaxProblem {
  return 'what' in result;
}
