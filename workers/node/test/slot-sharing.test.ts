import type { NodeInfo } from '@omx/core';
import { mostShared, sharedPatienceMs } from '@omx/balance';
import { expect, test } from 'vitest';

import { SlotSharing } from '../src/slot-sharing.ts';

function among(...others: Partial<NodeInfo>[]): SlotSharing {
  const self = { name: 'n1', role: 'both', state: 'up', slots: 1, running: 0 };
  const list = async () =>
    [self, ...others.map((other, at) => ({ ...self, name: `n${at + 2}`, ...other }))] as NodeInfo[];
  return new SlotSharing({ list }, 'n1');
}

test('others that take no work do not count, nor does the node itself', async () => {
  const sharing = among({ running: 0, state: 'drained' }, { running: 0, role: 'home' }, { running: 1, slots: 0 });
  expect(await sharing.slots(1, 0)).toBe(mostShared);
});

test('another that leaves work undone for long is not waited for, from when there was work', async () => {
  const sharing = among({ running: 0 });
  for (let now = 0; now < sharedPatienceMs; now += 1000) expect(await sharing.slots(1, now)).toBe(1);
  expect(await sharing.slots(1, sharedPatienceMs)).toBe(mostShared);
  // There was none for a while: the other is asked to take it first again.
  expect(await sharing.slots(1, 2 * sharedPatienceMs)).toBe(1);
});

test('a node that has just ended a job has its chance, however long all were full before', async () => {
  const other = { running: 1 };
  const sharing = among(other);
  for (let now = 0; now < 60_000; now += 1000) expect(await sharing.slots(1, now)).toBe(2);
  other.running = 0;
  expect(await sharing.slots(1, 60_000)).toBe(1);
});
