import { defaultLimits } from '@omx/core';
import { describe, expect, test } from 'vitest';

import { compareLeaving, type Leaving, placeOf, placesFor } from '../../src/moving/placement-of-moves.ts';
import { nodeInfo } from './nodes.ts';

describe('which nodes may have a job', () => {
  const self = nodeInfo('n1');
  const asks = {
    ...{ nodes: [], labels: {}, oversubscribe: false, limits: defaultLimits },
    ...{ launcher: 'criu' as const, forkMigrate: false },
  };
  const root = { user: 'root', uid: 0, gid: 0 };

  test('the others that are like it', () => {
    const others = [
      nodeInfo('n2'),
      nodeInfo('home', { role: 'home' }),
      nodeInfo('bare', { launchers: ['plain'] }),
      nodeInfo('arm', { arch: 'arm64' }),
      // What it does now may change.
      nodeInfo('n3', { state: 'down', running: 1 }),
    ];
    expect(placesFor(asks, self, [self, ...others])).toEqual(['n2', 'n3']);
  });

  test('what its batch asks for', () => {
    const nodes = [nodeInfo('n2', { maxSlots: 4 }), nodeInfo('n3', { labels: { gpu: 'yes' } }), nodeInfo('n4')];
    expect(placesFor({ ...asks, nodes: ['n1', 'n4'] }, self, nodes)).toEqual(['n4']);
    expect(placesFor({ ...asks, labels: { gpu: 'yes' } }, self, nodes)).toEqual(['n3']);
    expect(placesFor({ ...asks, limits: { ...defaultLimits, cpus: 2 } }, self, nodes)).toEqual(['n2']);
    expect(placesFor({ ...asks, limits: { ...defaultLimits, memBytes: 2 ** 50 } }, self, nodes)).toEqual([]);
  });

  test('what root started stays with workers that are root; others may have what anybody started', () => {
    const nodes = [nodeInfo('ann'), nodeInfo('root', { account: root })];
    expect(placesFor(asks, nodeInfo('n1', { account: root }), nodes)).toEqual(['root']);
    expect(placesFor(asks, self, nodes)).toEqual(['ann', 'root']);
  });
});

test('what is on its way to a node counts there', () => {
  const node = nodeInfo('n2', { slots: 3, running: 1, load: 1, memFree: 1000 });
  const sent = [
    { to: 'n2', slots: 1, cpus: 0.5, rss: 100 },
    { to: 'n3', slots: 9, cpus: 9, rss: 900 },
  ];
  expect(placeOf(node, sent)).toMatchObject({ name: 'n2', freeSlots: 1, load: 1.5, memFree: 900 });
  expect(placeOf({ ...node, memTotal: 0, memFree: 0 }, sent).memFree).toBe(Infinity);
});

test('the longest that is left goes first; where nothing is known, what has run least', () => {
  const job = (ageMs: number, meanMs?: number): Leaving => ({ ageMs, meanMs });
  const jobs = [job(90, 100), job(10, 100), job(300, 100), job(50), job(20)];
  const order = jobs.toSorted(compareLeaving).map((each) => jobs.indexOf(each));
  expect(order).toEqual([4, 3, 2, 1, 0]);
});
