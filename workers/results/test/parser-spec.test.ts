import { expect, test } from 'vitest';
import { checkParser } from '../src/parser-spec.ts';

test.each([
  'lines',
  'keyvalue',
  'csv',
  'csv:;',
  'csv:tab',
  'json',
  'fib',
  'keygen',
  'time',
  'regex:a:b(?<x>.)',
  './my-parser.mjs',
  '../p.js',
  '/abs/x.js',
  './with blank/p.cjs',
])('%s is taken', (spec) => {
  expect(() => checkParser(spec)).not.toThrow();
});

test.each(['', 'fibonacci', 'Lines', 'constructor', 'p.mjs', './p.ts', './folder/', 'foo:bar'])(
  '%j is unknown',
  (spec) => {
    expect(() => checkParser(spec)).toThrow(expect.objectContaining({ code: 'PARSER_UNKNOWN' }));
  },
);

test.each(['regex', 'regex:', 'regex:[', 'csv:ab', 'lines:3', 'fib:'])('%s has a bad argument', (spec) => {
  expect(() => checkParser(spec)).toThrow(expect.objectContaining({ code: 'PARSER_INVALID' }));
});

test('the refusal says what would do', () => {
  expect(() => checkParser('fibonacci')).toThrow(
    expect.objectContaining({
      message: "there is no parser 'fibonacci'",
      hint: expect.stringContaining('fib, keygen'),
    }),
  );
  expect(() => checkParser('p.mjs')).toThrow(
    expect.objectContaining({ hint: expect.stringContaining('./my-parser.mjs') }),
  );
});
