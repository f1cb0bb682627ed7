import type { NotStartedReason, Outcome } from '@omx/core';

import { signalName } from '../render/signals.ts';

/** How a job ended, in a few words: `exited with code 3`, `died of SIGKILL (signal 9)`, `not started: …`. */
export function outcomeText(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'succeeded':
      return 'succeeded';
    case 'exited':
      return `exited with code ${outcome.code}`;
    case 'signalled':
      return `died of ${signalName(outcome.signal)} (signal ${outcome.signal})`;
    case 'timed-out':
      return 'ran into its time limit';
    case 'oom':
      return 'took more memory than there was for it';
    case 'cancelled':
      return cancellers[outcome.by];
    case 'not-started':
      return `not started: ${notStarted[outcome.reason]}`;
    case 'lost':
      return 'lost with the node that ran it';
  }
}

const cancellers = {
  user: 'cancelled by a user',
  dependency: 'cancelled, as what it waited for did not end as asked (--after)',
  policy: 'cancelled, as too many jobs of the batch failed (--max-fails)',
} as const;

const notStarted: Readonly<Record<NotStartedReason, string>> = {
  'no-such-program': 'there is no such program',
  'not-executable': 'the program may not be executed',
  'no-interpreter': 'the file is no program the kernel can run',
  'no-such-cwd': 'its working directory is not there',
  'no-such-stdin': 'its --stdin file cannot be read',
  'too-long': 'its arguments and environment are too long',
  'launcher-unavailable': 'the node lacks the launcher it asks for',
  other: 'the node could not start it',
};
