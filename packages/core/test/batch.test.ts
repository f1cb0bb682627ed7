import { expect, test } from 'vitest';

import { batchState, type StateCounts, zeroCounts } from '../src/batch.ts';

const counts = (some: Partial<StateCounts>): StateCounts => ({ ...zeroCounts(), ...some });

test.each([
  [{ queued: 3 }, 'queued'],
  [{ held: 3 }, 'held'],
  [{ held: 2, queued: 1 }, 'queued'],
  [{ running: 1, queued: 2 }, 'running'],
  [{ paused: 1, held: 2 }, 'running'],
  [{ succeeded: 1, queued: 2 }, 'running'],
  [{ succeeded: 3 }, 'succeeded'],
  [{ succeeded: 2, cancelled: 1 }, 'cancelled'],
  [{ succeeded: 1, cancelled: 1, failed: 1 }, 'failed'],
  [{ succeeded: 2, lost: 1 }, 'failed'],
] as const)('%j is %s', (some, state) => {
  expect(batchState(counts(some), 3)).toBe(state);
});
