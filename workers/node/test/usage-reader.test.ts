import type { ProcessStat } from '@omx/launch';
import { expect, test } from 'vitest';

import { type Attempt, Attempts } from '../src/attempt.ts';
import { descendants, readUsage } from '../src/usage-reader.ts';

function attemptsWith(...pids: readonly (number | undefined)[]): Attempts {
  const attempts = new Attempts();
  for (const [ordinal, pid] of pids.entries()) {
    const facts = {
      key: `b1.${ordinal}#1`,
      batch: 'b1',
      ordinal,
      index: ordinal,
      number: 1,
      slots: 1,
      phase: 'running',
    };
    attempts.add({ ...facts, ...(pid === undefined ? {} : { pid }) } as Attempt);
  }
  return attempts;
}

function process(pid: number, parent: number, session: number, ticks: number, childTicks = 0): ProcessStat {
  const rest = { comm: 'x', state: 'R', group: pid, startTicks: 0, rssPages: 10, threads: 1, isKernel: false };
  return { pid, parent, session, userTicks: ticks, sysTicks: 1, childTicks, ...rest };
}

test('a job has what its session and its descendants use, ended children included', () => {
  const processes = [
    process(1, 0, 1, 9999),
    process(100, 1, 100, 200, 50),
    process(101, 100, 100, 300),
    // In a session of its own, below the job.
    process(102, 101, 102, 400),
    // Daemonised, but in the job's session.
    process(103, 1, 100, 500),
    process(200, 1, 200, 5),
    // Two that are each other's parent, as a pid used again may make it look.
    process(300, 301, 300, 7),
    process(301, 300, 301, 7),
  ];
  const table = { byPid: new Map(processes.map((one) => [one.pid, one])), pageBytes: 4096 };
  const { attempts } = readUsage(attemptsWith(100, undefined, 200, 999), table);
  expect(attempts).toEqual([
    { batch: 'b1', ordinal: 0, attempt: 1, cpu: 14.54, rss: 4 * 40_960 },
    { batch: 'b1', ordinal: 2, attempt: 1, cpu: 0.06, rss: 40_960 },
    { batch: 'b1', ordinal: 3, attempt: 1, cpu: 0, rss: 0 },
  ]);
  const below = (pid: number): number[] => descendants(pid, table).map((each) => each.pid);
  expect(below(100)).toEqual([100, 101, 102]);
  expect(below(300)).toEqual([300, 301]);
  expect(below(999)).toEqual([]);
});

test('this process, as the real kernel shows it', () => {
  const own = globalThis.process;
  const [before] = readUsage(attemptsWith(own.pid)).attempts;
  const cpu = own.cpuUsage();
  expect(before?.rss).toBeGreaterThan(2 ** 20);
  expect(Math.abs((before?.cpu ?? 0) - (cpu.user + cpu.system) / 1e6)).toBeLessThan(1);
});
