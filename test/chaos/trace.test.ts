import { expect, test } from 'vitest';

import { executions, misdeeds } from './kit/trace.ts';

/** Lines as `witness` writes them, a second apart: `what job attempt`. */
function trace(...short: readonly string[]): string[] {
  return short.map((line, at) => `${line.replace(' ', ' b1.')} n1 ${line.startsWith('child') ? 8 : 7} ${at + 1}.00`);
}

test('attempts one after the other are well', () => {
  const lines = trace('start 1 1', 'child 1 1', 'beat 1 1', 'start 2 1', 'start 1 2', 'beat 1 2', 'end 1 2', 'end 2 1');
  expect(misdeeds(lines)).toEqual([]);
  expect(executions(lines)).toMatchObject([
    { job: 'b1.1', attempt: 1, startedAt: 1, lastAt: 3, ended: false },
    { job: 'b1.2', attempt: 1, ended: true },
    { job: 'b1.1', attempt: 2, ended: true },
  ]);
});

test('a child outlives its attempt until it is ended', () => {
  expect(misdeeds(trace('start 1 1', 'end 1 1', 'child 1 1'))).toEqual([]);
});

const bad: Record<string, readonly string[]> = {
  'an attempt that goes on beside the next': ['start 1 1', 'start 1 2', 'beat 1 1'],
  'a child that goes on beside the next attempt': ['start 1 1', 'start 1 2', 'child 1 1'],
  'an attempt that ends beside the next': ['start 1 1', 'start 1 2', 'end 1 2', 'end 1 1'],
  'an attempt that is started after a later one': ['start 1 2', 'start 1 1'],
  'an attempt that is started twice': ['start 1 1', 'beat 1 1', 'start 1 1'],
  'an attempt that goes on after its end': ['start 1 1', 'end 1 1', 'beat 1 1'],
  'an attempt that ends twice': ['start 1 1', 'end 1 1', 'end 1 1'],
  'an attempt without a start': ['start 1 1', 'beat 1 2'],
};
test.each(Object.entries(bad))('%s is found', (_, lines) => {
  expect(misdeeds(trace(...lines))).toHaveLength(1);
});

test('a machine that wakes may run a job for a moment, and no longer', () => {
  const lines = trace('start 1 1', 'start 1 2', 'beat 1 1', 'beat 1 1', 'beat 1 1');
  expect(misdeeds(lines, { wakingMs: 5000 })).toEqual([]);
  expect(misdeeds(lines, { wakingMs: 1500 })).toHaveLength(1);
  expect(misdeeds(trace('start 1 2', 'start 1 1'), { wakingMs: 5000 })).toHaveLength(1);
});

test('a line that is torn is an error', () => {
  expect(() => misdeeds(['start b1.1 1 n1 7 1.00beat b1.1 1 n1 7 1.05'])).toThrow(/not a line/);
});
