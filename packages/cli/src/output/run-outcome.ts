import { ExitCode, type Outcome } from '@omx/core';

import { signalName } from '../render/signals.ts';

/** The exit code of `omx run` of a single job: the job's own, or what a shell and `timeout` would make of its end. */
export function exitCodeOf(outcome: Outcome): number {
  switch (outcome.kind) {
    case 'succeeded':
      return ExitCode.ok;
    case 'exited':
      return outcome.code;
    case 'signalled':
      return 128 + outcome.signal;
    case 'oom':
      return 128 + 9;
    case 'timed-out':
      return ExitCode.waitTimeout;
    case 'not-started':
      return outcome.reason === 'no-such-program' ? 127 : 126;
    case 'cancelled':
    case 'lost':
      return ExitCode.jobsFailed;
  }
}

/** How a single job ended, where it did not succeed. */
export function outcomeText(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'succeeded':
      return 'succeeded';
    case 'exited':
      return `exited with code ${outcome.code}`;
    case 'signalled':
      return `was ended by ${signalName(outcome.signal)}`;
    case 'oom':
      return 'was ended because it used more memory than it may';
    case 'timed-out':
      return 'was ended because its time was over (--time)';
    case 'not-started':
      return `could not be started: ${notStartedTexts[outcome.reason]}`;
    case 'cancelled':
      return {
        user: 'was cancelled',
        dependency: 'was cancelled, as what it waited for ended otherwise',
        policy: 'was cancelled',
      }[outcome.by];
    case 'lost':
      return 'was lost: every node that ran it died';
  }
}

const notStartedTexts = {
  'no-such-program': 'there is no such program',
  'not-executable': 'the program is not executable',
  'no-interpreter': 'it is no program, and names no interpreter',
  'no-such-cwd': 'its working directory is not there',
  'no-such-stdin': 'the file for its standard input cannot be read',
  'too-long': 'its arguments are too long',
  'launcher-unavailable': 'the launcher it asks for is not there',
  other: 'the node refused it',
} as const;

/** The line with which a batch with failures ends, naming what to do next. */
export function failuresText(id: string, failed: number, total: number): string {
  return `${id}: ${failed} of ${total} jobs failed: omx jobs ${id} --failed, omx logs ${id} --failed --both, omx rerun ${id}`;
}
