import { parseBytes } from '../bytes.ts';
import { parseDuration } from '../duration.ts';
import { usageError } from '../errors.ts';
import { nearest } from './nearest.ts';
import type { RawPairs, RawWord } from './raw-batch.ts';
import { launcherChoices, orders, type LauncherChoice, type Order } from './spec.ts';

export function parseLauncher(text: string): LauncherChoice {
  return oneOf(text, launcherChoices, 'a launcher');
}

export function parseOrder(text: string): Order {
  return oneOf(text, orders, 'an order');
}

/** `NAME[,NAME]`, once or more often. */
export function parseNodes(input: string | readonly string[]): string[] {
  const names = listOf(input).flatMap((text) => text.split(',').map((name) => name.trim()));
  for (const name of names) {
    if (!/^[^\s,=:]+$/.test(name)) throw usageError(`'${name}' is not the name of a node`, 'write NAME or NAME,NAME');
  }
  return [...new Set(names)];
}

/** `KEY=VALUE`, where a later pair replaces an earlier one of the same key. */
export function parsePairs(input: RawPairs, thing: string): Map<string, string> {
  if (typeof input !== 'string' && !Array.isArray(input)) {
    const pairs = Object.entries(input as Readonly<Record<string, RawWord>>);
    return new Map(pairs.map(([key, value]) => [checkKey(key, key, thing), String(value)]));
  }
  const pairs = listOf(input as string | readonly string[]);
  return new Map(
    pairs.map((pair) => {
      const equals = pair.indexOf('=');
      if (equals < 0) throw usageError(`'${pair}' is not ${thing}`, 'write KEY=VALUE');
      return [checkKey(pair.slice(0, equals), pair, thing), pair.slice(equals + 1)];
    }),
  );
}

export function parseLabels(input: RawPairs): Record<string, string> {
  const labels = parsePairs(input, 'a label');
  for (const [key, value] of labels) {
    if (/[\s,]/.test(key)) throw usageError(`'${key}' is not the key of a label`, 'a key has no blanks and no commas');
    checkLine(value, `the label '${key}'`);
  }
  return Object.fromEntries(labels);
}

/** A name or key for people: one line, at most 200 characters, not empty. */
export function parseLabelText(text: string): string {
  if (text.trim() === '') throw usageError('it is empty');
  if (text.length > 200) throw usageError(`it has ${text.length} characters`, 'at most 200 are kept');
  return checkLine(text, 'it');
}

export function parseCpus(input: string | number): number {
  return wholeNumber(input, 1, 65_536);
}

export function parseRetries(input: string | number): number {
  return wholeNumber(input, 0, 1000);
}

export function parsePriority(input: string | number): number {
  return wholeNumber(input, -1_000_000, 1_000_000);
}

export function parseMem(input: string | number): number {
  return positive(parseBytes(input), input);
}

export function parseTime(input: string | number): number {
  return positive(parseDuration(input), input);
}

/** The time between two images of a job: each costs it a short stop. */
export function parseCheckpointEvery(input: string | number): number {
  const ms = parseDuration(input);
  if (ms >= 1000) return ms;
  throw usageError(`'${input}' is less than a second`, 'the job stands still for each image; write 10m, or 30s');
}

/** A path or the like: not empty, no NUL byte. */
export function parsePath(text: string): string {
  if (text === '') throw usageError('it is empty', 'name a path');
  if (text.includes('\0')) throw usageError('it holds a NUL byte, which no path can');
  return text;
}

export function listOf(input: string | readonly string[]): readonly string[] {
  return typeof input === 'string' ? [input] : input;
}

/** Words for a choice of two; a batch file may say `true` and `false`. */
export function parseOnOff(input: string | boolean): boolean {
  return typeof input === 'boolean' ? input : oneOf(input, ['on', 'off'], 'on or off') === 'on';
}

function oneOf<T extends string>(text: string, choices: readonly T[], thing: string): T {
  const found = choices.find((choice) => choice === text);
  if (found !== undefined) return found;
  const guess = nearest(text, choices);
  const hint = `one of ${choices.join(', ')}`;
  throw usageError(`'${text}' is not ${thing}${guess === undefined ? '' : `; did you mean ${guess}?`}`, hint);
}

function wholeNumber(input: string | number, least: number, most: number): number {
  const number = /^[+-]?\d+$/.test(String(input).trim()) ? Number(input) : Number.NaN;
  if (number >= least && number <= most) return number;
  throw usageError(`'${input}' is not a whole number from ${least} to ${most}`);
}

function positive(value: number, input: string | number): number {
  if (value > 0) return value;
  throw usageError(`'${input}' would leave nothing`, 'leave it out for no limit');
}

function checkKey(key: string, written: string, thing: string): string {
  if (key === '' || key.includes('=') || key.includes('\0'))
    throw usageError(`'${written}' is not ${thing}`, 'write KEY=VALUE');
  return key;
}

function checkLine(text: string, thing: string): string {
  // oxlint-disable-next-line no-control-regex
  if (/[\u0000-\u001f\u007f]/.test(text)) throw usageError(`${thing} holds a control character or a newline`);
  return text;
}
