import { describe, expect, test } from 'vitest';

import { LeaseWatch } from '../src/lease-watch.ts';

/** Looks every two seconds; `beats` is what n1's counter says at that time. */
function watchN1(beats: (at: number) => number | undefined, times: readonly number[], leaseMs = 12_000): number[] {
  const watch = new LeaseWatch();
  return times.filter((at) => {
    const count = beats(at);
    return watch.look(new Map(count === undefined ? [] : [['n1', { beats: count, leaseMs }]]), at).has('n1');
  });
}

const everyTwoSeconds = Array.from({ length: 20 }, (_, at) => at * 2000);

describe('the watch over leases', () => {
  test('a node that renews is not lost', () => {
    expect(watchN1((at) => at, everyTwoSeconds)).toEqual([]);
  });

  test('one that stopped is lost when its lease is over, and until it renews again', () => {
    const stops = watchN1((at) => (at >= 8000 && at < 26_000 ? 7 : at), everyTwoSeconds);
    expect(stops).toEqual([20_000, 22_000, 24_000]);
  });

  test('the length of the lease is the node’s own', () => {
    expect(watchN1(() => 7, everyTwoSeconds, 4000)[0]).toBe(4000);
    expect(watchN1(() => 7, everyTwoSeconds, 30_000)[0]).toBe(30_000);
  });

  test('nobody is judged by a time in which nobody looked', () => {
    const away = everyTwoSeconds.filter((at) => at <= 6000 || at >= 20_000);
    expect(watchN1(() => 7, away)[0]).toBe(32_000);
  });

  test('says when a lease will be over that nobody has renewed since', () => {
    const watch = new LeaseWatch();
    const nodes = new Map([
      ['n1', { beats: 7, leaseMs: 5000 }],
      ['n2', { beats: 7, leaseMs: 9000 }],
    ]);
    expect(watch.nextLoss(0)).toBe(Infinity);
    watch.look(nodes, 1000);
    expect(watch.nextLoss(1000)).toBe(6000);
    nodes.set('n1', { beats: 8, leaseMs: 5000 });
    watch.look(nodes, 3000);
    expect(watch.nextLoss(3000)).toBe(8000);
    expect([...watch.look(nodes, watch.nextLoss(3000)).keys()]).toEqual(['n1']);
    expect(watch.nextLoss(8000)).toBe(10_000);
    expect(watch.nextLoss(10_000)).toBe(Infinity);
  });

  test('nor by one in which the queue was away, however short', () => {
    const watch = new LeaseWatch();
    const nodes = new Map([['n1', { beats: 7, leaseMs: 2000 }]]);
    expect(watch.look(nodes, 0).size).toBe(0);
    watch.beginAnew();
    expect(watch.look(nodes, 4000).size).toBe(0);
    expect([...watch.look(nodes, 6000)]).toEqual([['n1', 7]]);
  });

  test('a node that is forgotten and comes again begins anew', () => {
    const gone = watchN1((at) => (at === 10_000 ? undefined : 7), everyTwoSeconds);
    expect(gone[0]).toBe(24_000);
  });
});
