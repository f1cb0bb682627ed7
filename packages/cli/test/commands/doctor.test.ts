import { describe, expect, it } from 'vitest';

import { render } from '../../src/commands/doctor.ts';
import { fail, ok, warn } from '../../src/doctor/check.ts';
import { plainPaint } from '../../src/render/paint.ts';

describe('render', () => {
  it('lines up, and puts the mend below', () => {
    expect(render([ok('home', 'fine'), fail('queue', 'away', 'start it')], plainPaint)).toEqual([
      'ok    home   fine',
      'fail  queue  away',
      '             mend: start it',
      '1 to mend',
    ]);
  });

  it.each([
    [[ok('a', 'x')], 'all well'],
    [[ok('a', 'x'), warn('b', 'y', null)], 'well, with 1 remark'],
  ])('sums up', (checks, last) => {
    expect(render(checks, plainPaint).at(-1)).toBe(last);
  });
});
