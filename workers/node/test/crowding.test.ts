import type { NodeInfo } from '@omx/core';
import { expect, test } from 'vitest';

import { Crowding } from '../src/crowding.ts';

function crowdedAmong(...others: Partial<NodeInfo>[]): Crowding {
  const nodes = others.map((other, at) => ({ name: `n${at + 2}`, role: 'both', state: 'up', running: 0, ...other }));
  return new Crowding({ list: async () => [{ name: 'n1', slots: 0 }, ...nodes] as NodeInfo[] }, 'n1');
}

test('a node that offers slots is not crowded', async () => {
  expect(await crowdedAmong().mayTake(1, 0, 0)).toBe(false);
});

test('alone, or where all others are crowded or take nothing, it takes one job at once', async () => {
  const alone = crowdedAmong({ slots: 0 }, { slots: 4, state: 'drained' }, { slots: 4, role: 'home' });
  expect(await alone.mayTake(0, 0, 0)).toBe(true);
  expect(await alone.mayTake(0, 1, 10)).toBe(false);
});

test('it leaves work to others for a while, and longer where one has room', async () => {
  const firstTaken = async (crowding: Crowding): Promise<number> => {
    for (let now = 0; ; now += 500) if (await crowding.mayTake(0, 0, now)) return now;
  };
  const full = await firstTaken(crowdedAmong({ slots: 2, running: 2 }));
  const free = await firstTaken(crowdedAmong({ slots: 2, running: 1 }));
  expect(full).toBeGreaterThan(0);
  expect(free).toBeGreaterThan(full);
});

test('after a job, and after it offered slots again, it waits anew', async () => {
  const crowding = crowdedAmong({ slots: 2, running: 2 });
  await crowding.mayTake(0, 0, 0);
  await crowding.mayTake(0, 1, 60_000);
  expect(await crowding.mayTake(0, 0, 60_001)).toBe(false);
  expect(await crowding.mayTake(0, 0, 120_000)).toBe(true);
  await crowding.mayTake(2, 0, 120_001);
  expect(await crowding.mayTake(0, 0, 120_002)).toBe(false);
});
