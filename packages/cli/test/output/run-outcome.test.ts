import type { Outcome } from '@omx/core';
import { describe, expect, it } from 'vitest';

import { exitCodeOf, failuresText, outcomeText } from '../../src/output/run-outcome.ts';

describe('exitCodeOf', () => {
  it.each<[Outcome, number]>([
    [{ kind: 'succeeded' }, 0],
    [{ kind: 'exited', code: 42 }, 42],
    [{ kind: 'signalled', signal: 15 }, 143],
    [{ kind: 'oom' }, 137],
    [{ kind: 'timed-out' }, 124],
    [{ kind: 'not-started', reason: 'no-such-program' }, 127],
    [{ kind: 'not-started', reason: 'not-executable' }, 126],
    [{ kind: 'cancelled', by: 'user' }, 1],
    [{ kind: 'lost' }, 1],
  ])('%j → %i', (outcome, code) => {
    expect(exitCodeOf(outcome)).toBe(code);
    expect(outcomeText(outcome)).not.toBe('');
  });

  it('names what to do about failures', () => {
    expect(failuresText('b7', 3, 40)).toBe(
      'b7: 3 of 40 jobs failed: omx jobs b7 --failed, omx logs b7 --failed --both, omx rerun b7',
    );
  });
});
