import { expect, test } from 'vitest';

import { UsageCollector } from '../src/usage-summary.ts';

test('sums, percentiles and the use of each node', () => {
  const collector = new UsageCollector();
  for (let n = 1; n <= 3000; n += 1)
    collector.add({ real: n, user: 1, sys: 0.5, maxRss: 3001 - n }, n % 3 === 0 ? 'b' : 'a');
  const { jobs, total, p50, p95, max, nodes } = collector.summary();
  expect(jobs).toBe(3000);
  expect(total).toEqual({ real: 4_501_500, user: 3000, sys: 1500, maxRss: 3000 });
  expect([p50?.real, p95?.real, max?.real, max?.maxRss]).toEqual([1500, 2850, 3000, 3000]);
  expect(nodes.map(({ name, jobs }) => [name, jobs])).toEqual([
    ['a', 2000],
    ['b', 1000],
  ]);
});

test('of no job there are no percentiles', () => {
  expect(new UsageCollector().summary()).toMatchObject({ jobs: 0, p50: undefined, nodes: [] });
});
