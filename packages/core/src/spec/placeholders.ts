import { bytesOf, textOf, type Bytes } from '../bytestring.ts';
import { usageError } from '../errors.ts';
import { applyPathForm, pathForms, type PathForm } from './path-form.ts';
import type { JobSource } from './spec.ts';
import { quoteWord } from './words.ts';

/** One job's words: its index and its values, one an axis, a column, or the list's single value. */
export type FillTemplate = (index: number, values: readonly Bytes[]) => Bytes[];

export interface TemplateOptions {
  /** Quote what is put in for a shell, as GNU parallel does. @defaultValue false */
  readonly quote?: boolean;
}

/**
 * Parses the words of a command once, so that each job only joins strings.
 *
 * Placeholders by source: an array has `{}` and `{index}`; a list `{}`, `{1}` and the path forms `{.} {/} {//} {/.}`;
 * `:::` has `{1}`, `{2}`… and `{}`, all values joined by blanks as one argument; parameters and columns go by name
 * (columns by number too). Each name takes a path form: `{1.}`, `{file/}`. `{index}` and `{#}` are the job's index
 * everywhere. Where nothing was written in a list's or `:::` command, the values are appended as last arguments.
 *
 * `{{name}}` stands for a literal `{name}`. Other braces (`{print $1}`, `{"a":1}`, `{1..5}`, `${HOME}`) are no
 * placeholders and stay. A single job and a job that brings its own command have no placeholders at all.
 * @throws usage error for a placeholder nobody defines
 */
export function compileTemplate(
  words: readonly Bytes[],
  source: JobSource,
  options: TemplateOptions = {},
): FillTemplate {
  if (source.kind === 'single' || source.kind === 'commands') return () => [...words];
  const scope = scopeOf(source);
  const parsed = words.map((word) => parseWord(word, scope));
  if (scope.appended > 0 && !parsed.flat().some((part) => typeof part !== 'string')) {
    for (let field = 0; field < scope.appended; field += 1) parsed.push([{ fields: [field], form: '' }]);
  }
  const insert = options.quote === true ? quoteWord : (value: Bytes) => value;
  return (index, values) => parsed.map((parts) => fill(parts, index, values, insert));
}

/** A piece of a word: text, the job's index, or a form of some values. */
type Part = string | { readonly fields: readonly number[] | 'index'; readonly form: PathForm };

interface Scope {
  /** Positions of the values behind each name. */
  readonly names: ReadonlyMap<string, readonly number[]>;
  /** How many values are appended to a command without placeholders. */
  readonly appended: number;
  readonly ambiguousIndex: boolean;
}

type TemplateSource = Exclude<JobSource, { kind: 'single' | 'commands' }>;

function scopeOf(source: TemplateSource): Scope {
  const names = new Map<string, readonly number[]>();
  switch (source.kind) {
    case 'array':
      names.set('', [0]);
      return { names, appended: 0, ambiguousIndex: false };
    case 'list':
      names.set('', [0]).set('1', [0]);
      return { names, appended: 1, ambiguousIndex: false };
    case 'product': {
      for (const [position, axis] of source.axes.entries()) names.set(axis.name, [position]);
      const positional = isPositional(source);
      if (positional) names.set('', [...source.axes.keys()]);
      return { names, appended: positional ? source.axes.length : 0, ambiguousIndex: false };
    }
    case 'rows':
      for (const position of source.columns.keys()) names.set(String(position + 1), [position]);
      // A column that is named by a number is meant by its name.
      for (const [position, column] of source.columns.entries()) names.set(bytesOf(column), [position]);
      return { names, appended: 0, ambiguousIndex: names.has('index') };
  }
}

/** Whether the axes come from `:::`, which names them 1, 2, …; names of parameters never start with a digit. */
function isPositional(source: Extract<JobSource, { kind: 'product' }>): boolean {
  return source.axes.every((axis, position) => axis.name === String(position + 1));
}

function parseWord(word: Bytes, scope: Scope): Part[] {
  const parts: Part[] = [];
  let literal = '';
  let at = 0;
  for (;;) {
    const open = word.indexOf('{', at);
    const close = word.indexOf('}', open);
    if (open < 0 || close < 0) break;
    literal += word.slice(at, open);
    const inner = word.slice(open + 1, close);
    at = close + 1;
    if (inner.startsWith('{') && word[close + 1] === '}' && isMeant(inner.slice(1), scope)) {
      literal += `${inner}}`;
      at = close + 2;
    } else if (inner.includes('{')) {
      // The inner brace may open a placeholder of its own.
      literal += '{';
      at = open + 1;
    } else if (word[open - 1] === '$' || !isMeant(inner, scope)) {
      literal += `{${inner}}`;
    } else {
      if (literal !== '') parts.push(literal);
      literal = '';
      parts.push(resolve(inner, scope));
    }
  }
  literal += word.slice(at);
  return literal === '' && parts.length > 0 ? parts : [...parts, literal];
}

/** Whether the text between braces is meant as a placeholder, defined or not; columns may have any name. */
function isMeant(inner: string, scope: Scope): boolean {
  const looksLikeOne = /^(#|(?:[A-Za-z_][A-Za-z0-9_-]*|[1-9]\d*)?(?:\.|\/|\/\/|\/\.)?)$/;
  return looksLikeOne.test(inner) || lookUp(inner, scope) !== undefined;
}

function resolve(inner: string, scope: Scope): Part {
  if (inner === 'index' && scope.ambiguousIndex) {
    throw usageError('{index} is a column and the number of the job', 'write {#} for the number, or rename the column');
  }
  if (inner === '#' || inner === 'index') return { fields: 'index', form: '' };
  const found = lookUp(inner, scope);
  if (found !== undefined) return found;
  throw usageError(
    `nobody defines the placeholder {${textOf(inner as Bytes)}}`,
    `known here: ${knownNames(scope)}; write {{${textOf(inner as Bytes)}}} for the text itself`,
  );
}

/** The values a name stands for. A name is first tried whole: a column may itself end in what looks like a form. */
function lookUp(inner: string, scope: Scope): Exclude<Part, string> | undefined {
  for (const form of pathForms) {
    const fields = inner.endsWith(form) ? scope.names.get(inner.slice(0, inner.length - form.length)) : undefined;
    if (fields !== undefined) return { fields, form };
  }
  return undefined;
}

function knownNames(scope: Scope): string {
  const names = [...scope.names.keys(), 'index'].map((name) => `{${textOf(name as Bytes)}}`);
  const unique = [...new Set(names)];
  return unique.length > 12 ? `${unique.slice(0, 12).join(' ')} …` : unique.join(' ');
}

function fill(parts: readonly Part[], index: number, values: readonly Bytes[], insert: (value: Bytes) => Bytes): Bytes {
  let word = '';
  for (const part of parts) {
    if (typeof part === 'string') word += part;
    else if (part.fields === 'index') word += String(index);
    else {
      const taken = part.fields.map((field) => applyPathForm(values[field] ?? ('' as Bytes), part.form));
      word += insert((taken.length === 1 ? (taken[0] ?? '') : taken.join(' ')) as Bytes);
    }
  }
  return word as Bytes;
}
