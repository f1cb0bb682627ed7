import { describe, expect, test } from 'vitest';

import { blamesNode } from '../src/comparison.ts';

describe('a node is to blame for its failures in a row', () => {
  test.each([
    ['others are well with a few, and it fails many', { failedHere: 7, succeededElsewhere: 1, failedElsewhere: 0 }],
    ['others are well with many, and it fails five', { failedHere: 5, succeededElsewhere: 20, failedElsewhere: 0 }],
    ['others fail half, and it fails far more', { failedHere: 12, succeededElsewhere: 50, failedElsewhere: 50 }],
  ])('where %s', (_, evidence) => {
    expect(blamesNode(evidence)).toBe(true);
  });

  test.each([
    ['nothing succeeds anywhere', { failedHere: 1000, succeededElsewhere: 0, failedElsewhere: 1000 }],
    ['nobody else has ended any', { failedHere: 1000, succeededElsewhere: 0, failedElsewhere: 0 }],
    ['it fails four', { failedHere: 4, succeededElsewhere: 1000, failedElsewhere: 0 }],
    ['one success elsewhere may be luck', { failedHere: 5, succeededElsewhere: 1, failedElsewhere: 0 }],
    ['most fail elsewhere, too', { failedHere: 20, succeededElsewhere: 10, failedElsewhere: 90 }],
  ])('but not where %s', (_, evidence) => {
    expect(blamesNode(evidence)).toBe(false);
  });
});
