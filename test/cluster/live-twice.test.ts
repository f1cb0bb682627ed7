import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { executions, liveTwice } from '../kit/cluster/live-twice.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync('/tmp/omx-trace-');
});
afterEach(() => rmSync(dir, { recursive: true }));

function traced(...lines: readonly string[]): string {
  writeFileSync(`${dir}/trace`, `${lines.join('\n')}\n`);
  return `${dir}/trace`;
}

test('an attempt that begins after the last tick of the one before is no second life', () => {
  const path = traced('b1.1 1 n1 7 start 100', 'b1.1 1 n1 7 tick 200', 'b1.1 2 n2 7 start 201', 'b1.1 2 n2 7 end 300');
  expect(liveTwice(path)).toEqual([]);
  expect(executions(path).map(({ node, first, last, ended }) => [node, first, last, ended])).toEqual([
    ['n1', 100, 200, false],
    ['n2', 201, 300, true],
  ]);
});

test('one that is seen again after another has begun is found', () => {
  const path = traced(
    'b1.1 1 n1 7 start 100',
    'b1.1 2 n2 9 start 201',
    'b1.2 1 n1 8 start 202',
    'b1.1 1 n1 7 tick 250',
  );
  expect(liveTwice(path)).toEqual([
    'b1.1#1 on n1 (process 7) from 100 to 250 and b1.1#2 on n2 (process 9) from 201 to 201',
  ]);
});

test('so is one attempt in two processes', () => {
  const path = traced('b1.1 1 n1 7 start 100', 'b1.1 1 n1 9 start 101', 'b1.1 1 n1 7 end 150', 'b1.1 1 n1 9 end 151');
  expect(liveTwice(path)).toHaveLength(1);
});
