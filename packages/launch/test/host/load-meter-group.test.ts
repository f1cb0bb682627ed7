import { spawn } from 'node:child_process';
import { readFileSync, symlinkSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { type Load, LoadMeter } from '../../src/host/load-meter.ts';
import { treeOf } from '../fixture.ts';
import { until } from '../shepherd/kit.ts';
import { Machine, meterPid, shepherdPid } from './machine.ts';

const job = 101;
const java = 900;
const stranger = 950;

interface Group {
  readonly selfCgroup: string;
  /** The folder with the quota of 1.5 CPUs. */
  readonly folder: string;
  readonly files: Readonly<Record<string, string>>;
  /** Where the group's CPU time is counted, if anywhere, and in what parts of a second. */
  readonly counter?: { readonly path: string; readonly before: string; readonly parts: number };
}

const quotaV1 = { 'a/cpu.cfs_quota_us': '150000\n', 'a/cpu.cfs_period_us': '100000\n' };
const nanos = { before: '', parts: 1e9 };
const groups: Readonly<Record<string, Group>> = {
  v2: {
    selfCgroup: '0::/a/b\n',
    folder: '',
    files: { 'a/cpu.max': '150000 100000\n' },
    counter: { path: 'a/cpu.stat', before: 'usage_usec ', parts: 1e6 },
  },
  'v1, cpu and cpuacct together': {
    selfCgroup: '4:cpu,cpuacct:/a/b\n0::/\n',
    folder: 'cpu,cpuacct/',
    files: quotaV1,
    counter: { path: 'cpu,cpuacct/a/cpuacct.usage', ...nanos },
  },
  'v1, cpu and cpuacct apart': {
    selfCgroup: '4:cpu:/a/b\n5:cpuacct:/a/b\n0::/\n',
    folder: 'cpu/',
    files: { ...quotaV1, 'cgroup.procs': '', '../cpuacct/cgroup.procs': '' },
    counter: { path: 'cpuacct/a/cpuacct.usage', ...nanos },
  },
  'v1, a group for cpu alone': {
    selfCgroup: '4:cpu:/a/b\n5:cpuacct:/\n0::/\n',
    folder: 'cpu/',
    files: { ...quotaV1, 'cgroup.procs': '', '../cpuacct/cgroup.procs': '', '../cpuacct/cpuacct.usage': '1\n' },
  },
};

test.each(Object.entries(groups))('a group with a quota, %s: what happens outside does not count', (_, group) => {
  const machine = new Machine(8);
  const mount = 'sys/fs/cgroup/';
  let used = 100;
  const count = (): void => {
    const { path, before, parts } = group.counter ?? {};
    if (parts !== undefined) machine.write(`${mount}${path}`, `${before}${Math.round(used * parts)}\nother 1\n`);
  };
  const beat = (rates: Readonly<Record<number, number>>): Load => {
    for (const [pid, rate] of Object.entries(rates)) if (Number(pid) !== stranger) used += rate * 2;
    count();
    return machine.beat(rates);
  };
  for (const pid of [java, stranger]) machine.add(pid, { state: 'R', past: 3600 });
  machine.write('proc/self/cgroup', group.selfCgroup);
  for (const [file, text] of Object.entries(group.files)) machine.write(`${mount}${group.folder}${file}`, text);
  machine.write(`${mount}${group.folder}a/cgroup.procs`, `${java}\n`);
  machine.write(`${mount}${group.folder}a/b/cgroup.procs`, `${meterPid}\n${shepherdPid}\n${job}\n`);
  count();
  machine.watch();

  expect(beat({ [stranger]: 3 })).toEqual({ load: 0, externalLoad: 0, busy: 0, cpus: 1.5 });
  machine.addJob(job);
  expect(beat({ [stranger]: 3, [job]: 1 })).toEqual({ load: 1, externalLoad: 0, busy: 1, cpus: 1.5 });
  const both = { load: 2, externalLoad: 1, busy: 1.5, cpus: 1.5 };
  expect(beat({ [stranger]: 3, [job]: 0.75, [java]: 0.75 })).toEqual(both);
  machine.end(java);
  beat({ [stranger]: 3, [job]: 1 });
  expect(beat({ [stranger]: 3, [job]: 1 })).toEqual({ load: 1, externalLoad: 0, busy: 1, cpus: 1.5 });
});

test('a group that reaches no quota because the whole machine is busy: what waits in it counts all the same', () => {
  const machine = new Machine(2);
  for (const pid of [java, stranger]) machine.add(pid, { state: 'R', past: 3600 });
  machine.write('proc/self/cgroup', '0::/a\n');
  machine.write('sys/fs/cgroup/a/cpu.max', '150000 100000\n');
  machine.write('sys/fs/cgroup/a/cgroup.procs', `${java}\n${meterPid}\n${shepherdPid}\n${job}\n`);
  machine.watch();
  machine.addJob(job);
  expect(machine.beat({ [stranger]: 1.4, [job]: 0.3, [java]: 0.3 })).toMatchObject({
    load: 2,
    externalLoad: 1,
    busy: 0.6,
  });
});

test('real programs, one of ours and one of somebody else, in a group of a third of a CPU', async () => {
  const [ours, theirs] = [spin(), spin()];
  // The kernel's own files of these processes, in a group that is only written down: other programs do not disturb.
  const roots = treeOf({
    'proc/self/cgroup': '0::/a\n',
    'sys/fs/cgroup/a/cpu.max': '30000 100000\n',
    'sys/fs/cgroup/a/cgroup.procs': `${ours}\n${theirs}\n`,
  });
  for (const file of ['stat', 'uptime', String(ours), String(theirs)])
    symlinkSync(`/proc/${file}`, `${roots.proc}/${file}`);
  const meter = new LoadMeter({ own: () => [ours], roots });
  const load = await until('both are seen to want a whole CPU', () => {
    const sample = meter.sample();
    return isOne(sample.externalLoad) && isOne(sample.load - sample.externalLoad) ? sample : undefined;
  });
  expect(load.cpus).toBe(0.3);
  // On a crowded machine they get a little less than their third.
  expect(load.busy).toBeGreaterThan(0.25);
  expect(load.busy).toBeLessThanOrEqual(0.3);

  process.kill(theirs, 'SIGKILL');
  await until('it is gone', () => meter.sample().externalLoad === 0);
  await until('ours goes on', () => isOne(meter.sample().load));
});

test('this machine', async () => {
  const ours = spin();
  const meter = new LoadMeter({ own: () => [ours] });
  const load = await until('the job is seen', () => {
    const sample = meter.sample();
    return sample.load - sample.externalLoad > 0.3 ? sample : undefined;
  });
  expect(load.busy).toBeGreaterThan(0.2);
  expect(load.busy).toBeLessThanOrEqual(load.cpus);
  expect(load.cpus).toBeLessThanOrEqual(readFileSync('/proc/stat', 'utf8').match(/^cpu\d/gm)?.length ?? 0);
});

/** A look lasts 200 ms and counters move by 10 ms. */
function isOne(cpus: number): boolean {
  return cpus > 0.9 && cpus < 1.2;
}

/** A CPU-bound program; @returns its pid */
function spin(): number {
  const { pid } = spawn('/bin/sh', ['-c', 'while :; do :; done'], { stdio: 'ignore' });
  if (pid === undefined) throw new Error('no shell');
  onTestFinished(() => {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // The test ended it.
    }
  });
  return pid;
}
