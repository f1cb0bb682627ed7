import type { Batch } from '@omx/core';
import { describe, expect, it } from 'vitest';

import { mergeBatches } from '../../src/acting/selected.ts';
import type { Selection } from '../../src/select.ts';

function some(id: string, ...spans: readonly (readonly [number, number])[]): Selection {
  return { batch: { id } as Batch, whole: false, spans: spans.map(([first, last]) => ({ first, last })) };
}
const whole = (id: string): Selection => ({ batch: { id } as Batch, whole: true, spans: [{ first: 0, last: 99 }] });

describe('mergeBatches', () => {
  it('names each job once, in rising order', () => {
    const [merged, ...rest] = mergeBatches([some('b1', [7, 9], [2, 3]), some('b1', [3, 4], [8, 8], [10, 12])]);
    expect(rest).toEqual([]);
    expect(merged?.spans).toEqual([
      { first: 2, last: 4 },
      { first: 7, last: 12 },
    ]);
  });

  it('takes the whole batch where it is named beside its jobs, whatever the order', () => {
    expect(mergeBatches([some('b1', [3, 3]), whole('b1')])).toEqual([whole('b1')]);
    expect(mergeBatches([whole('b1'), some('b1', [3, 3])])).toEqual([whole('b1')]);
  });

  it('keeps batches apart and in order', () => {
    expect(mergeBatches([whole('b2'), some('b1', [0, 0]), whole('b3')]).map(({ batch }) => batch.id)).toEqual([
      'b2',
      'b1',
      'b3',
    ]);
  });
});
