import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bytesOf } from '@omx/core';
import { expect, test } from 'vitest';
import { readProcessStat } from '../../src/host/process.ts';
import { capsuleBinary, capsuleShape, readMembers, readStatus, runArgv } from '../../src/criu/index.ts';
import { isAlive, Node } from '../shepherd/kit.ts';
import { compile, Job, programs, until } from './kit.ts';

const sh = (script: string): Job => Job.start(['sh', '-c', script]);
const orderSignal = 40;

test.each([
  ['exit 0', { exitCode: 0 }, { code: 0, signal: null }],
  ['exit 42', { exitCode: 42 }, { code: 42, signal: null }],
  ['kill -SEGV $$', { signal: 11 }, { code: null, signal: 'SIGSEGV' }],
  ['kill -KILL $$', { signal: 9 }, { code: null, signal: 'SIGKILL' }],
])('sh -c "%s" is told in the status file and by the end of the capsule', async (script, status, ended) => {
  const whole = await sh(script).end();
  expect(whole.status).toMatchObject(status);
  expect(whole.ended).toEqual(ended);
});

test.each([
  ['/no/such/program', 127, 2],
  ['no-such-program', 127, 2],
  ['/etc/passwd', 126, 13],
])(
  '%s cannot be started, which the errno in the status file tells from its own exit',
  async (program, exitCode, errno) => {
    const whole = await Job.start([program]).end();
    expect(whole.status).toMatchObject({ exitCode, errno });
    expect(whole.err).toContain(`cannot start ${program}`);
    expect((await sh(`exit ${exitCode}`).end()).status?.errno).toBeUndefined();
  },
);

test('outputs are appended to files, input is empty, no other descriptor is open, and processes number from 3', async () => {
  const job = sh(
    'cat; echo pid $$; ls -m /proc/self/fd; echo wrong >&2; readlink /proc/self/fd/1; pwd; ls -d /proc/[0-9]*',
  );
  const whole = await job.finish().end();
  const [pid, fds, out, pwd, ...processes] = whole.out.trim().split('\n');
  expect(pid).toBe('pid 3');
  // 3 is ls looking at the folder.
  expect(fds).toBe('0, 1, 2, 3');
  expect(out).toBe(`${job.shape.mount}/out`);
  expect(pwd).toBe(job.shape.mount);
  expect(processes.slice(0, 3)).toEqual(['/proc/1', '/proc/2', '/proc/3']);
  expect(whole.err).toBe('wrong\n');
});

test('what the command leaves running is killed and counted', async () => {
  const burner = compile(join(programs, 'burner.c'), 'burner');
  const whole = await sh(
    `setsid ${burner} loop 9 & setsid sleep 1000 & while [ $(wc -l < out) -lt 4 ]; do :; done; exit 3`,
  ).end();
  expect(whole.status?.exitCode).toBe(3);
  // Four lines are four hundredths of nine seconds.
  expect(whole.usage?.userUs).toBeGreaterThan(300_000);
});

test('SIGKILL to the capsule ends everything in it', async () => {
  const job = sh('setsid sleep 1000 & (trap "" TERM HUP; sleep 1000) & echo ready; sleep 1000');
  await until(() => job.lines() === 1);
  const { pids, init } = readMembers(job.job.pid);
  expect(pids.length).toBeGreaterThan(4);
  job.child.process.kill('SIGKILL');
  await job.child.ended;
  await until(() => ![init, ...pids].some(isAlive));
  expect(readStatus(job.job.folder)).toBeUndefined();
});

test('the order to kill leaves the exact usage behind, also where signals are ignored', async () => {
  const job = Job.start([compile(join(programs, 'burner.c'), 'burner'), 'deaf', '60']);
  await job.progress(1);
  process.kill(job.job.pid, orderSignal);
  const whole = await job.finish().end();
  expect(whole.ended).toEqual({ code: null, signal: 'SIGKILL' });
  expect(whole.status?.signal).toBe(9);
  expect(whole.usage?.userUs).toBeGreaterThan(500_000);
});

test('a signal from anybody reaches the command’s process group once; from the parent not at all', async () => {
  const job = sh('trap "echo got" USR1; echo ready; while :; do sleep 0.01; done');
  await until(() => job.lines() === 1);
  // We are its parent, as the shepherd would be, which tells every process by itself.
  process.kill(job.job.pid, 'SIGUSR1');
  // Two of a kind that wait would be one.
  const waiting = (): string | undefined =>
    /^ShdPnd:\t0*(.*)$/m.exec(readFileSync(`/proc/${job.job.pid}/status`, 'latin1'))?.[1];
  await until(() => waiting() === '');
  execFileSync('kill', ['-USR1', String(job.job.pid)]);
  await until(() => job.text('out').includes('got'));
  execFileSync('kill', ['-TERM', String(job.job.pid)]);
  const whole = await job.finish().end();
  expect(whole.out).toBe('ready\ngot\n');
  expect(whole.status?.signal).toBe(15);
});

test('a status of an earlier stay is not believed', async () => {
  const job = sh('exit 5');
  await job.end();
  const argv = runArgv({
    ...{
      capsule: capsuleBinary(),
      shape: job.shape,
      folder: job.job.folder,
      command: [bytesOf('sleep'), bytesOf('9')],
    },
    ...{ stdout: bytesOf('out'), stderr: bytesOf('err') },
  });
  const node = await Node.open();
  node.start('again', argv);
  await node.started('again');
  await until(() => readStatus(job.job.folder) === undefined);
});

test('under the shepherd: started, measured, stopped, continued and killed like any other job', async () => {
  const node = await Node.open();
  const job = new Job(capsuleShape());
  const burner = compile(join(programs, 'burner.c'), 'burner');
  const start = (key: string, command: readonly string[]): void =>
    node.start(
      key,
      runArgv({
        ...{ capsule: capsuleBinary(), shape: job.shape, folder: job.top, command: command.map(bytesOf) },
        ...{ stdout: bytesOf('out'), stderr: bytesOf('err') },
      }),
      { stdout: bytesOf(join(job.top, 'out')), stderr: bytesOf(join(job.top, 'err')) },
    );
  writeFileSync(join(job.top, 'finish'), '');
  start('whole', [burner, 'fork', '1']);
  const whole = await node.ended('whole');
  expect(whole.exitCode).toBe(6);
  const cpu = whole.usage.userUs + whole.usage.sysUs;
  expect(cpu).toBeGreaterThan(990_000);
  const status = readStatus(job.top)?.usage;
  expect(cpu / ((status?.userUs ?? 0) + (status?.sysUs ?? 0))).toBeCloseTo(1, 1);
  expect(whole.output?.out.toString()).toContain('sum 6\n');

  start('long', [burner, 'fork', '60']);
  const { pid } = await node.started('long');
  await until(() => readMembers(pid).pids.length > 5);
  const members = readMembers(pid);
  node.shepherd.pause('long');
  await until(() => members.pids.every((each) => readProcessStat(each)?.state === 'T'));
  node.shepherd.resume('long');
  await until(() => members.pids.every((each) => readProcessStat(each)?.state !== 'T'));
  node.shepherd.end('long', 'cancel', 0);
  expect(await node.ended('long')).toMatchObject({ signal: 9, reason: 'cancel' });
  expect([members.init, ...members.pids].filter(isAlive)).toEqual([]);
});
