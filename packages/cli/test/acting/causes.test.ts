import { freshJob, type Job, noOutput, noUsage, type Outcome } from '@omx/core';
import { describe, expect, it } from 'vitest';

import { allEnds, allFailures, parseCauses } from '../../src/acting/causes.ts';

function ended(outcome: Outcome): Job {
  return { ...freshJob('queued', 0), status: 'ended', outcome, endedAt: 1, usage: noUsage, output: noOutput };
}

const outcomes = {
  succeeded: { kind: 'succeeded' },
  exit1: { kind: 'exited', code: 1 },
  exit137: { kind: 'exited', code: 137 },
  kill: { kind: 'signalled', signal: 9 },
  timeout: { kind: 'timed-out' },
  oom: { kind: 'oom' },
  lost: { kind: 'lost' },
  'not-started': { kind: 'not-started', reason: 'no-such-program' },
  cancelled: { kind: 'cancelled', by: 'user' },
} satisfies Record<string, Outcome>;
const jobs = Object.entries(outcomes).map(([name, outcome]) => ({ name, job: ended(outcome) }));

function namesOf(test: (job: Job) => boolean): string[] {
  return jobs.filter(({ job }) => test(job)).map(({ name }) => name);
}

describe('parseCauses', () => {
  it.each([
    [['exit'], ['exit1', 'exit137']],
    [['exit=1'], ['exit1']],
    [['exit=137'], ['exit137', 'kill']],
    [['exit=1,137,timeout'], ['exit1', 'exit137', 'kill', 'timeout']],
    [['signal'], ['kill']],
    [['signal=KILL'], ['kill']],
    [['signal=sigkill'], ['kill']],
    [['signal=15,9'], ['kill']],
    [
      ['timeout', 'oom,lost'],
      ['timeout', 'oom', 'lost'],
    ],
    [['not-started'], ['not-started']],
    [['cancelled'], ['cancelled']],
    [['succeeded'], ['succeeded']],
    [['any'], Object.keys(outcomes).filter((name) => name !== 'succeeded')],
  ])('%j', (texts, names) => {
    expect(namesOf(parseCauses(texts).test)).toEqual(names);
  });

  it('never takes a job that has not ended', () => {
    expect(parseCauses(['any', 'succeeded']).test(freshJob('queued', 0))).toBe(false);
  });

  it.each([
    [['exit=1', 'oom'], true],
    [['exit,cancelled'], false],
    [['any'], false],
  ])('%j looks at failures alone: %s', (texts, failuresOnly) => {
    expect(parseCauses(texts).failuresOnly).toBe(failuresOnly);
  });

  it.each(['', 'bogus', 'exit=', 'exit=256', 'exit=x', 'signal=NOPE', 'signal=0', '3', 'timeout,3'])(
    'refuses %j by name',
    (text) => {
      expect(() => parseCauses([text])).toThrow(/--on: '/);
    },
  );
});

describe('the defaults', () => {
  it('of a batch are its failures, of named jobs all that ended', () => {
    const all = namesOf(() => true);
    expect(namesOf(allFailures.test)).toEqual(all.filter((name) => name !== 'succeeded' && name !== 'cancelled'));
    expect(namesOf(allEnds.test)).toEqual(all);
  });
});
