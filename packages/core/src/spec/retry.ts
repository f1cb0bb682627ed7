import { parseDuration } from '../duration.ts';
import { usageError } from '../errors.ts';
import type { AfterRule, BatchSpec, JobLimits, RetryRule } from './spec.ts';

/** Every failed end but not-started: what `--retries` means without `--retry-on`. */
export const retryOnAny: RetryRule = {
  any: true,
  exits: [],
  signal: false,
  timeout: false,
  oom: false,
  notStarted: false,
};

const causes = 'write any of exit, exit=1,2, signal, timeout, oom, not-started, or any';

/**
 * `--retry-on`: causes separated by commas or `|`, given once or more often; numbers after `exit=` go on with its list:
 * `exit=1,2,timeout`.
 * @throws usage error for an unknown cause or an exit code outside 1…255
 */
export function parseRetryOn(inputs: readonly string[]): RetryRule {
  const rule = { ...retryOnAny, any: false };
  let exits: number[] | 'all' = [];
  for (const input of inputs) {
    let inExits = false;
    for (const token of input.split(/[,|]/).map((part) => part.trim())) {
      if (token.startsWith('exit=') || (inExits && /^\d+$/.test(token))) {
        inExits = true;
        const code = parseExitCode(token.replace(/^exit=/, ''));
        if (exits !== 'all' && !exits.includes(code)) exits.push(code);
        continue;
      }
      inExits = false;
      if (token === 'exit') exits = 'all';
      else if (token === 'not-started') rule.notStarted = true;
      else if (token === 'any' || token === 'signal' || token === 'timeout' || token === 'oom') rule[token] = true;
      else throw usageError(`'${token}' is not a reason to retry`, causes);
    }
  }
  return { ...rule, exits };
}

/**
 * `--backoff`: the pause before the first retry and the longest one, `1s..1m`, or one pause for all, `5s`. In between it doubles.
 * @throws usage error where the first is longer than the second
 */
export function parseBackoff(input: string | number): JobLimits['backoff'] {
  const [first = '', last, ...rest] = String(input).split('..');
  if (rest.length > 0) throw usageError(`'${input}' is not a pause between retries`, 'write it as 5s or 1s..1m');
  const minMs = parseDuration(first);
  const maxMs = last === undefined ? minMs : parseDuration(last);
  if (minMs > maxMs) throw usageError(`'${input}' runs downwards`, `write ${String(last)}..${first}`);
  return { minMs, maxMs };
}

/** `--max-fails`: a number of failed jobs, or a percentage of all, beyond which the rest is cancelled. */
export function parseMaxFails(input: string | number): NonNullable<BatchSpec['maxFails']> {
  const match = /^(\d{1,9}(?:\.\d+)?)(%?)$/.exec(String(input).trim());
  const number = Number(match?.[1]);
  if (match?.[2] === '%' && number <= 100) return { percent: number };
  if (match?.[2] === '' && Number.isInteger(number)) return { count: number };
  throw usageError(`'${input}' is not a number of failed jobs or a percentage`, 'write it as 10 or 5%');
}

/** `--after SEL[:ok|any|failed]`: what has to end first, and how. @defaultValue `ok` */
export function parseAfter(input: string): AfterRule {
  const [selector = '', on = 'ok', ...rest] = input.trim().split(':');
  const isKnown = on === 'ok' || on === 'any' || on === 'failed';
  if (selector === '' || !isKnown || rest.length > 0) {
    throw usageError(`'${input}' does not say what to wait for`, 'write it as b7, b7:ok, b7:any or b7:failed');
  }
  return { selector, on };
}

function parseExitCode(text: string): number {
  const code = Number(text);
  if (!/^\d{1,3}$/.test(text) || code < 1 || code > 255) {
    throw usageError(`'${text}' is not an exit code of a failure`, 'an exit code is 1 to 255');
  }
  return code;
}
