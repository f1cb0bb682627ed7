import { expect, test } from 'vitest';

import { moveEvent } from '../../src/events/move-events.ts';

const entry = { ordinal: 2, attempt: 1, at: 5 };
const way = { from: 'n1', to: 'n2', why: 'omx migrate' };
const said = { at: 5, id: 'b7.3', attempt: 1 };

test('a move, with seconds', () => {
  expect(moveEvent('b7.3', { ...entry, ...way, pauseMs: 120, bytes: 7 })).toEqual({
    ...said,
    type: 'job-moved',
    ...way,
    pause: 0.12,
    bytes: 7,
  });
});

test('one that came to nothing, with its reason', () => {
  expect(moveEvent('b7.3', { ...entry, ...way, failed: 'n2 is full' })).toEqual({
    ...said,
    type: 'job-not-moved',
    ...way,
    reason: 'n2 is full',
  });
});

test('frozen, thawed, and kept as an image', () => {
  expect(moveEvent('b7.3', { ...entry, did: 'frozen', node: 'n1' })).toEqual({
    ...said,
    type: 'job-frozen',
    node: 'n1',
  });
  expect(moveEvent('b7.3', { ...entry, did: 'thawed', node: 'n1' }).type).toBe('job-thawed');
  expect(moveEvent('b7.3', { ...entry, did: 'checkpointed', node: 'n1', keeper: 'n2', pauseMs: 40, bytes: 9 })).toEqual(
    {
      ...said,
      type: 'job-checkpointed',
      node: 'n1',
      keeper: 'n2',
      pause: 0.04,
      bytes: 9,
    },
  );
});
