import type { MoveEntry } from '@omx/queue';
import { expect, test } from 'vitest';

import { imageReason, moveReasons } from '../../src/why/moves.ts';

const at = new Date(2026, 10, 22, 14, 3, 11).getTime();
const now = at + 60_000;
const entry = { ordinal: 2, attempt: 1, at };
const way = { from: 'n1', to: 'n2', why: 'n1 is crowded' };

test.each<[MoveEntry, string]>([
  [
    { ...entry, ...way, pauseMs: 123, bytes: 5_240_000 },
    'moved from n1 to n2 (n1 is crowded): stood still for 0.12 s, 5.2 MB',
  ],
  [
    { ...entry, ...way, failed: 'n2 lacks /usr/bin/swipl' },
    'stayed on n1, not moved to n2 (n1 is crowded): n2 lacks /usr/bin/swipl',
  ],
  [{ ...entry, did: 'frozen', node: 'n1' }, 'was frozen (omx pause --freeze) on n1'],
  [{ ...entry, did: 'thawed', node: 'n1' }, 'went on from its image on n1'],
  [{ ...entry, did: 'resumed', node: 'n2' }, 'went on from the image of an attempt that was lost, on n2'],
  [
    { ...entry, did: 'checkpointed', node: 'n1', keeper: 'n2', pauseMs: 40, bytes: 3e9 },
    'left an image of 3.00 GB on n2 (omx checkpoint): stood still for 0.04 s',
  ],
])('%j', (each, text) => {
  expect(moveReasons([each], now)).toEqual([`14:03:11 attempt 1 ${text}`]);
});

test('an image that is kept elsewhere', () => {
  expect(imageReason({ node: 'n2', attempt: 1, digest: '', bytes: 5_240_000, at }, now)).toBe(
    'its newest image is of 14:03:11, 5.2 MB on n2: it goes on from there should its node die',
  );
});
