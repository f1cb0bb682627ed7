import { type Batch, defaultLimits, type Revision } from '@omx/core';
import { describe, expect, it } from 'vitest';

import { commonLimits, isChange, revisionOf } from '../../src/acting/again.ts';
import { batchOf } from './kit.ts';

const spans = [{ first: 0, last: 2 }];
const batch = (revisions: readonly Revision[]): Batch => batchOf({ revisions });

describe('commonLimits', () => {
  it('are the batch’s where no rerun changed them', () => {
    expect(commonLimits(batch([]), spans, () => defaultLimits)).toEqual(defaultLimits);
  });

  it('may come from a rerun of all the jobs', () => {
    const limits = { ...defaultLimits, memBytes: 5 };
    expect(commonLimits(batch([{ jobs: '0-2', limits: { memBytes: 5 } }]), spans, () => ({ ...limits }))).toEqual(
      limits,
    );
  });

  it('do not exist where jobs differ', () => {
    expect(() =>
      commonLimits(batch([{ jobs: '1', limits: { cpus: 2 } }]), spans, (ordinal) => ({
        ...defaultLimits,
        cpus: ordinal === 1 ? 2 : 1,
      })),
    ).toThrow(/different limits/);
  });
});

describe('a change', () => {
  it('is a limit or arguments, also none', () => {
    expect(isChange({ limits: {}, args: undefined })).toBe(false);
    expect(isChange({ limits: { cpus: 2 }, args: undefined })).toBe(true);
    expect(isChange({ limits: {}, args: [] })).toBe(true);
  });

  it('is stored with the jobs it is for', () => {
    expect(
      revisionOf(
        [
          { first: 3, last: 5 },
          { first: 9, last: 9 },
        ],
        { limits: { cpus: 2 }, args: undefined },
      ),
    ).toEqual({ jobs: '3-5,9', limits: { cpus: 2 } });
  });
});
