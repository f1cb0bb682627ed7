import { expect, test } from 'vitest';
import { DemandMeter } from '../../src/host/demand-meter.ts';
import { type ProcessStat, ticksASecond } from '../../src/host/process.ts';
import { treeOf } from '../fixture.ts';

function process(pid: number, usedSeconds: number, state = 'S'): ProcessStat {
  const rest = { comm: 'x', parent: 1, group: pid, session: pid, sysTicks: 0, childTicks: 0, isKernel: false };
  return { ...rest, pid, state, userTicks: usedSeconds * ticksASecond, threads: 1, startTicks: 1, rssPages: 1 };
}

function meterAt(clock: { now: number }): DemandMeter<string> {
  return new DemandMeter({ roots: treeOf({ 'proc/uptime': '1000.00 1.00\n' }), now: () => clock.now });
}

test('what a job used before it was first seen does not count', () => {
  const clock = { now: 0 };
  const meter = meterAt(clock);
  expect(meter.look(new Map([['a', [process(1, 3600)]]]), false).size).toBe(0);
  clock.now = 2000;
  expect(meter.look(new Map([['a', [process(1, 3601)]]]), false).get('a')).toBeCloseTo(0.5);
});

test('where processors are short a job that waits for one wants it whole', () => {
  const clock = { now: 0 };
  const meter = meterAt(clock);
  const jobs = (used: number) => new Map([1, 2, 3].map((pid) => [`job${pid}`, [process(pid, used, 'R')]]));
  meter.look(jobs(0), true);
  clock.now = 2000;
  const third = 2 / 3;
  expect([...meter.look(jobs(third), true).values()]).toEqual([1, 1, 1]);
  const calm = meterAt(clock);
  calm.look(jobs(0), false);
  clock.now = 4000;
  for (const wanted of calm.look(jobs(third), false).values()) expect(wanted).toBeCloseTo(1 / 3);
});

test('a job that rests for a moment is not idle, and one that has ended is forgotten', () => {
  const clock = { now: 0 };
  const meter = meterAt(clock);
  const used = [0, 1, 2, 2];
  const wanted = used.map((seconds) => {
    const answer = meter.look(new Map([['a', [process(1, seconds)]]]), false).get('a');
    clock.now += 1000;
    return answer;
  });
  expect(wanted.slice(1, 3)).toEqual([1, 1]);
  expect(wanted[3]).toBeCloseTo(0.75);
  expect(meter.look(new Map(), false).size).toBe(0);
  clock.now += 1000;
  expect(meter.look(new Map([['a', [process(1, 9)]]]), false).size).toBe(0);
});
