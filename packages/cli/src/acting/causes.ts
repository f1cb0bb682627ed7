import { constants } from 'node:os';

import { isFailure, type Job, type Outcome, usageError } from '@omx/core';

/** Which ends `rerun --on` means. */
export interface Causes {
  readonly test: (job: Job) => boolean;
  /** Nothing but failures can pass. */
  readonly failuresOnly: boolean;
}

const known =
  'write any of exit, exit=1,2, signal, signal=9, timeout, oom, lost, not-started, cancelled, succeeded, or any (all that did not succeed)';
const failureWords = ['exit', 'signal', 'timeout', 'oom', 'lost', 'not-started'];

/**
 * `--on`: causes joined by commas, given once or more often; numbers after `exit=` and `signal=` go on with their list:
 * `exit=1,137,timeout`. An exit code above 128 also means death by that signal, as shells report it.
 * @throws usage error for an unknown cause
 */
export function parseCauses(texts: readonly string[]): Causes {
  const words = new Set<string>();
  for (const text of texts) {
    let list: 'exit' | 'signal' | undefined;
    for (const part of text.split(',').map((piece) => piece.trim())) {
      const [, kind, value] = /^(?:(exit|signal)=)?(\w+)$/.exec(part) ?? [];
      list = (kind as typeof list) ?? (/^\d+$/.test(part) ? list : undefined);
      if (list !== undefined && value !== undefined)
        words.add(`${list}=${list === 'exit' ? exitCode(value) : signalNumber(value)}`);
      else if ([...failureWords, 'cancelled', 'succeeded', 'any'].includes(part)) words.add(part);
      else throw usageError(`--on: '${part}' is not a way to end`, known);
    }
  }
  return {
    test: (job) => job.status === 'ended' && namesOf(job.outcome).some((name) => words.has(name)),
    failuresOnly: [...words].every((word) => failureWords.includes(word) || word.includes('=')),
  };
}

/** Every failure: what is run again where nothing else is said. */
export const allFailures: Causes = {
  test: (job) => job.status === 'ended' && isFailure(job.outcome.kind),
  failuresOnly: true,
};

/** Every end, a good one too: for jobs that are named one by one. */
export const allEnds: Causes = { test: (job) => job.status === 'ended', failuresOnly: false };

function namesOf(outcome: Outcome): string[] {
  switch (outcome.kind) {
    case 'succeeded':
      return ['succeeded'];
    case 'exited':
      return ['any', 'exit', `exit=${outcome.code}`];
    case 'signalled':
      return ['any', 'signal', `signal=${outcome.signal}`, `exit=${128 + outcome.signal}`];
    case 'timed-out':
      return ['any', 'timeout'];
    case 'oom':
    case 'lost':
    case 'not-started':
    case 'cancelled':
      return ['any', outcome.kind];
  }
}

function exitCode(text: string): number {
  const code = Number(text);
  if (!/^\d{1,3}$/.test(text) || code > 255)
    throw usageError(`--on: '${text}' is not an exit code`, 'an exit code is 0 to 255');
  return code;
}

function signalNumber(text: string): number {
  const name = text.toUpperCase();
  const signals: Readonly<Record<string, number>> = constants.signals;
  const number = /^\d{1,2}$/.test(text) ? Number(text) : signals[name.startsWith('SIG') ? name : `SIG${name}`];
  if (number === undefined || number < 1 || number > 64)
    throw usageError(`--on: '${text}' is not a signal`, 'write signal=9 or signal=KILL');
  return number;
}
