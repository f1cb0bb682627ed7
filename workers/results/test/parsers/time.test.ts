import { expect, test } from 'vitest';
import { parseTime } from '../../src/parsers/time.ts';

const rows = (err: string, out = ''): unknown[] => [...parseTime({ out, err })];

test.each([
  ['bash', '\nreal\t3m25.045s\nuser\t3m09.330s\nsys\t0m00.240s\n', { real: 205.045, user: 189.33, sys: 0.24 }],
  ['POSIX', 'real 1.23\nuser 0.50\nsys 0.01\n', { real: 1.23, user: 0.5, sys: 0.01 }],
  ['minutes', 'real 1m2.3s\nuser 2s\nsys 0', { real: 62.3, user: 2, sys: 0 }],
  ['hours and a decimal comma', 'real 1h1m1,5s\nuser 0m0,1s\nsys 0m0,2s', { real: 3661.5, user: 0.1, sys: 0.2 }],
])('%s', (_, err, row) => {
  expect(rows(err)).toEqual([row]);
});

test('several timings are several rows; an incomplete one is none', () => {
  const one = 'real 1\nuser 2\nsys 3\n';
  expect(rows(`${one}user 9\n${one}real 4\n`)).toEqual([
    { real: 1, user: 2, sys: 3 },
    { real: 1, user: 2, sys: 3 },
  ]);
});

test('standard output is looked at where standard error has none', () => {
  expect(rows('warning', 'real 1\nuser 2\nsys 3')).toEqual([{ real: 1, user: 2, sys: 3 }]);
});
