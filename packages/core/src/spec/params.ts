import { bytesOf, type Bytes } from '../bytestring.ts';
import { usageError } from '../errors.ts';
import { countRange } from './arrays.ts';
import { checkJobCount } from './job-limit.ts';
import type { Axis } from './spec.ts';

/** A parameter, or the file the caller has to read to know its values (`NAME=@FILE`, one a line). */
export type Param = Axis | { readonly name: string; readonly file: string };

const forms = 'write NAME=1..10, NAME=1..10..3, NAME=a,b,c or NAME=@FILE';

/** `NAME=VALUES` of `--param`; see `parseParamValues`. */
export function parseParam(text: string): Param {
  const equals = text.indexOf('=');
  if (equals < 0) throw usageError(`'${text}' is not a parameter`, forms);
  return parseParamValues(text.slice(0, equals), text.slice(equals + 1));
}

/**
 * The values of a parameter: `1..10`, `1..10..3` (every third), `10..1` (downwards), `a,b,c`, or `@FILE`.
 * Ranges are whole numbers and stay lazy.
 * @throws usage error for a bad or reserved name, no values, or a malformed range
 */
export function parseParamValues(name: string, text: string): Param {
  checkParamName(name);
  if (text === '') throw usageError(`the parameter '${name}' has no values`, forms);
  if (text === '@') throw usageError(`the parameter '${name}' names no file`, forms);
  if (text.startsWith('@')) return { name, file: text.slice(1) };
  if (!text.includes(',') && /^-?\d[\d_]*(\.\d+)?\.\./.test(text)) return { name, range: parseParamRange(text) };
  return { name, values: text.split(',').map((value) => bytesOf(value)) };
}

/** A parameter whose values are written out. */
export function listedParam(name: string, values: readonly Bytes[]): Axis {
  checkParamName(name);
  if (values.length === 0) throw usageError(`the parameter '${name}' has no values`);
  checkJobCount(values.length);
  return { name, values };
}

function checkParamName(name: string): void {
  if (!/^[A-Za-z_][A-Za-z0-9_-]*$/.test(name)) {
    throw usageError(`'${name}' is not a parameter name`, 'a name is a letter, then letters, digits, _ and -');
  }
  if (name === 'index')
    throw usageError("'index' is reserved: {index} is the number of the job", 'choose another name');
}

function parseParamRange(text: string): { first: number; last: number; step: number } {
  const match = /^(-?\d[\d_]*)\.\.(-?\d[\d_]*)(?:\.\.(-?\d[\d_]*))?$/.exec(text);
  if (match === null) throw usageError(`'${text}' is not a range of whole numbers`, forms);
  if (match.slice(1, 3).some((end) => /^-?0\d/.test(end ?? ''))) {
    throw usageError(`'${text}' has leading zeros, which a range does not keep`, 'write the values out: 01,02,03');
  }
  const [first = 0, last = 0, by = 1] = match.slice(1).map((part) => Number((part ?? '1').replaceAll('_', '')));
  if (![first, last, by].every((number) => Number.isSafeInteger(number))) {
    throw usageError(`a number in '${text}' is too large`);
  }
  if (by === 0) throw usageError(`the step of '${text}' is 0`, 'a step is 1 or more');
  const step = last < first ? -Math.abs(by) : Math.abs(by);
  // Adding 0 turns the -0 of a downward remainder into 0.
  const range = { first, last: last - ((last - first) % step) + 0, step };
  checkJobCount(countRange(range));
  return range;
}
