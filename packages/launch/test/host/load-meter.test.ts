import { expect, test } from 'vitest';
import { LoadMeter } from '../../src/host/load-meter.ts';
import { treeOf } from '../fixture.ts';
import { Machine, meterPid, shepherdPid } from './machine.ts';

/** Somebody else's program. */
const java = 900;

function withJava(cpus: number): Machine {
  const machine = new Machine(cpus);
  machine.add(java, { state: 'R', past: 3600 });
  return machine;
}

test('the first answer has nothing to compare with, and two in one moment are one', () => {
  const { meter } = withJava(2).watch();
  const nothing = { load: 0, externalLoad: 0, busy: 0, cpus: 2 };
  expect([meter.sample(), meter.sample()]).toEqual([nothing, nothing]);
});

test('a program started outside is there at the next beat, and gone two beats after its end', () => {
  const machine = withJava(2).watch();
  expect(machine.beat({ [java]: 0 })).toEqual({ load: 0, externalLoad: 0, busy: 0, cpus: 2 });
  expect(machine.beat({ [java]: 0.9 })).toEqual({ load: 0.9, externalLoad: 0.9, busy: 0.9, cpus: 2 });
  expect(machine.beat({ [java]: 1 }).externalLoad).toBe(1);
  machine.end(java);
  expect(machine.beat({}).externalLoad).toBe(0.5);
  expect(machine.beat({})).toEqual({ load: 0, externalLoad: 0, busy: 0, cpus: 2 });
});

test('jobs are no external load: those that run, those that ended, and those nobody saw at all', () => {
  const machine = new Machine(4).watch();
  machine.addJob(101);
  machine.addJob(102);
  expect(machine.beat({ 101: 1, 102: 1 })).toEqual({ load: 2, externalLoad: 0, busy: 2, cpus: 4 });
  machine.end(101);
  machine.addJob(103);
  expect(machine.beat({ 102: 1, 103: 0.5, [meterPid]: 0.2 })).toMatchObject({ externalLoad: 0, busy: 1.7 });
  // Between two looks: started, ran, ended, waited for.
  machine.addJob(104);
  const job = machine.processes.get(104);
  if (job !== undefined) job.used = 3;
  machine.save();
  machine.end(104);
  expect(machine.pass(2, 3)).toMatchObject({ load: 1.6, externalLoad: 0, busy: 1.5 });
});

test('a job of children, and a helper passed in, are ours', () => {
  const machine = new Machine(4);
  const redis = 70;
  machine.add(redis);
  machine.watch(redis);
  machine.addJob(101);
  machine.add(110, { parent: 101, state: 'R' });
  machine.add(111, { parent: 110, state: 'R' });
  expect(machine.beat({ 110: 1, 111: 1, [redis]: 0.5 })).toMatchObject({ load: 2.5, externalLoad: 0 });
  machine.end(111);
  machine.end(110);
  expect(machine.beat({ 101: 1 })).toMatchObject({ externalLoad: 0, busy: 1 });
});

test('where processors are short an outsider wants whole ones, however little it gets', () => {
  const machine = withJava(2).watch();
  for (const pid of [101, 102, 103]) machine.addJob(pid);
  const shares = { 101: 0.5, 102: 0.5, 103: 0.5, [java]: 0.5 };
  expect(machine.beat(shares)).toEqual({ load: 4, externalLoad: 1, busy: 2, cpus: 2 });
});

test('every thread of a JVM counts, though its first one only waits', () => {
  const machine = new Machine(2);
  machine.add(java, { state: 'S', threads: ['R', 'R', 'S', 'R', 'S'], past: 10 });
  machine.watch();
  machine.addJob(101);
  machine.addJob(102);
  expect(machine.beat({ 101: 0.4, 102: 0.4, [java]: 1.2 })).toMatchObject({ load: 5, externalLoad: 3 });
  expect(machine.beat({ 101: 1, 102: 1, [java]: 0 }).externalLoad).toBe(1.5);
});

test('noise is nothing: a few percent, kernel threads, interrupts, a daemon caught awake', () => {
  const machine = new Machine(2);
  const daemon = 910;
  machine.add(daemon, { state: 'R', past: 10 });
  machine.watch();
  expect(machine.beat({ [daemon]: 0.02 })).toEqual({ load: 0, externalLoad: 0, busy: 0.02, cpus: 2 });
  machine.addJob(101);
  machine.addJob(102);
  expect(machine.beat({ 101: 0.95, 102: 0.95, [daemon]: 0.01, 2: 0.09 })).toMatchObject({ load: 2, externalLoad: 0 });
  expect(machine.beat({ 101: 0.5, 102: 0.5, 2: 0.6 })).toMatchObject({ externalLoad: 0, busy: 1.6 });
});

test('what processes nobody may see use is known from the counters of the machine', () => {
  const machine = new Machine(4).watch();
  machine.addJob(101);
  expect(machine.beat({ 101: 1 }, 1.5)).toEqual({ load: 2.5, externalLoad: 1.5, busy: 2.5, cpus: 4 });
});

test("hidden processes that wait are counted from the load average's number", () => {
  const machine = new Machine(2);
  machine.processes.delete(2);
  machine.watch();
  machine.addJob(101);
  machine.write('proc/loadavg', '1 1 1 5/99 9\n');
  // Five can run: the meter, one job, and three that nobody may see.
  expect(machine.beat({ 101: 0.5 }, 1.5)).toMatchObject({ load: 4, externalLoad: 3, busy: 2 });
});

test('counters that go backwards, a pid used again, an old process that was missed: no load out of nothing', () => {
  const machine = new Machine(2);
  machine.add(java, { past: 500 });
  machine.watch();
  expect(machine.pass(2, -9)).toMatchObject({ busy: 0, externalLoad: 0 });
  machine.end(java);
  machine.add(java);
  expect(machine.beat({ [java]: 1 })).toMatchObject({ externalLoad: 1, busy: 1 });
  // A job with an hour behind it that was on none of the lists before.
  machine.add(101, { parent: shepherdPid, state: 'R', past: 3600 });
  expect(machine.beat({ [java]: 1 })).toMatchObject({ load: 1, externalLoad: 1 });
  expect(machine.beat({ [java]: 1, 101: 1 })).toMatchObject({ load: 2, externalLoad: 1 });
});

test('a job that leaves its children unwaited for is not charged less than it uses', () => {
  const machine = new Machine(4).watch();
  machine.addJob(101);
  machine.add(102, { parent: 101, state: 'R' });
  machine.beat({ 101: 1, 102: 1 });
  const parent = machine.processes.get(101);
  machine.end(102);
  if (parent !== undefined) parent.reaped = 0;
  expect(machine.beat({ 101: 1 })).toMatchObject({ externalLoad: 0, busy: 1 });
});

test('only the processors the worker may use are looked at', () => {
  const machine = withJava(4);
  machine.write('proc/self/status', 'Name:\tx\nCpus_allowed_list:\t0,2-2\n');
  machine.watch();
  // The fixture spreads all work evenly.
  expect(machine.beat({ [java]: 2 })).toMatchObject({ busy: 1, externalLoad: 1, cpus: 2 });
});

test('a tree with nothing in it', () => {
  let now = 0;
  const meter = new LoadMeter({ own: () => [1], roots: treeOf({}), now: () => (now += 2000) });
  expect(meter.sample()).toEqual({ load: 0, externalLoad: 0, busy: 0, cpus: 0 });
});
