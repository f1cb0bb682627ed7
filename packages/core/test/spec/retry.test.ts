import { describe, expect, it } from 'vitest';

import { parseAfter, parseBackoff, parseMaxFails, parseRetryOn, retryOnAny } from '../../src/spec/retry.ts';

const none = { ...retryOnAny, any: false };

describe('parseRetryOn', () => {
  it.each([
    [['any'], { ...none, any: true }],
    [['exit'], { ...none, exits: 'all' }],
    [['exit=1,2'], { ...none, exits: [1, 2] }],
    [['exit=1,2|signal|timeout|oom'], { ...none, exits: [1, 2], signal: true, timeout: true, oom: true }],
    [['exit=1,2,timeout', 'exit=2,9', 'not-started'], { ...none, exits: [1, 2, 9], timeout: true, notStarted: true }],
    [['exit=3', 'exit'], { ...none, exits: 'all' }],
  ])('%j', (inputs, rule) => {
    expect(parseRetryOn(inputs)).toEqual(rule);
  });

  it.each([[''], ['exit='], ['exit=0'], ['exit=256'], ['exit=x'], ['1'], ['oom,2'], ['crash']])(
    'refuses %j',
    (input) => {
      expect(() => parseRetryOn([input])).toThrow("'");
    },
  );
});

describe('the other rules', () => {
  it('parses back-off', () => {
    expect(parseBackoff('1s..1m')).toEqual({ minMs: 1000, maxMs: 60_000 });
    expect(parseBackoff(5)).toEqual({ minMs: 5000, maxMs: 5000 });
    for (const bad of ['1m..1s', '1s..', '..1s', '1s..2s..3s', 'x']) expect(() => parseBackoff(bad)).toThrow("'");
  });

  it('parses max-fails', () => {
    expect(parseMaxFails('10')).toEqual({ count: 10 });
    expect(parseMaxFails(0)).toEqual({ count: 0 });
    expect(parseMaxFails('5%')).toEqual({ percent: 5 });
    for (const bad of ['', '-1', '101%', '1.5', 'x', '%']) expect(() => parseMaxFails(bad)).toThrow(`'${bad}'`);
  });

  it('parses after', () => {
    expect(parseAfter('b7')).toEqual({ selector: 'b7', on: 'ok' });
    expect(parseAfter('b7.1-3,5:failed')).toEqual({ selector: 'b7.1-3,5', on: 'failed' });
    for (const bad of ['', ':ok', 'b7:', 'b7:maybe', 'b7:ok:ok']) expect(() => parseAfter(bad)).toThrow(`'${bad}'`);
  });
});
