import { describe, expect, it } from 'vitest';

import { parseSet } from '../../src/acting/limits.ts';

describe('parseSet', () => {
  it('gives what was said and nothing else', () => {
    expect(parseSet(['mem=8GiB', 'time=2h'])).toEqual({ memBytes: 8 * 1024 ** 3, timeMs: 7_200_000 });
    expect(parseSet([])).toEqual({});
  });

  it('keeps what stands behind the first =', () => {
    expect(parseSet(['retry-on=exit=1,2']).retryOn?.exits).toEqual([1, 2]);
  });

  it('takes the last of several', () => {
    expect(parseSet(['retries=1', 'retries=3'])).toEqual({ retries: 3 });
  });

  it.each([
    ['mem', /not OPTION=VALUE/],
    ['meem=1G', /did you mean mem/],
    ['name=x', /'name' is not a limit/],
    ['mem=lots', /--set mem: 'lots'/],
    ['retries=-1', /--set retries/],
  ])('refuses %s', (text, message) => {
    expect(() => parseSet([text])).toThrow(message);
  });
});
