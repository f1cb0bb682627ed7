import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  capsuleShape,
  type Child,
  type ChildCopy,
  Deputy,
  freezeChild,
  readChildren,
  readMembers,
  thawChild,
} from '../../src/criu/index.ts';
import { readProcessStat } from '../../src/host/process.ts';
import { compile, Job, newTop, programs, skip, theCriu, until } from './kit.ts';

const family = (kind: string, ...works: readonly string[]): readonly string[] => [
  compile(join(programs, 'family.c'), 'family'),
  kind,
  ...works,
];
const sorted = (text: string): string => text.split('\n').sort().join('\n');
const byRoot = process.geteuid?.() === 0;
const far = (): bigint => process.hrtime.bigint() + 60_000_000_000n;

/** Its namespace may have to bury it yet. */
const isDead = (pid: number): boolean => /[ZX]/.test(readProcessStat(pid)?.state ?? 'X');

/** The child that has computed most, when it has begun. */
async function busiest(job: Job): Promise<Child> {
  const first = (): Child | undefined =>
    job.hasEnded() ? undefined : readChildren(job.job.pid).toSorted((a, b) => b.cpuMs - a.cpuMs)[0];
  await until(() => (first()?.cpuMs ?? 0) > 50, { failIf: () => job.hasEnded() && 'it has ended' });
  return first() as Child;
}

interface Away {
  readonly child: Child;
  readonly copy: ChildCopy;
  readonly deputy: Deputy;
  readonly sent: number[];
}

/** As two nodes do it, here with folders of their own. */
async function sendAway(job: Job, child: Child): Promise<Away> {
  const top = newTop();
  const [image, folder] = [join(top, 'image'), join(top, 'folder')];
  const frozen = await freezeChild({ criu: theCriu(), job: job.job, child, image });
  await frozen.seal();
  cpSync(image, join(top, 'there'), { recursive: true });
  const copy = await thawChild({ criu: theCriu(), image: join(top, 'there'), folder, log: join(top, 'log') });
  await frozen.stay();
  const sent: number[] = [];
  const deputy = await Deputy.hold({
    ...{ pid: child.pid, startTicks: child.startTicks, results: folder, folder: job.job.folder },
    known: frozen.pending,
    onSent: (signals) => sent.push(...signals),
  });
  if (deputy === undefined) throw new Error('there is no deputy');
  copy.runUntil(far());
  await copy.go();
  return { child, copy, deputy, sent };
}

const shapes = [['a user namespace', true], ...(byRoot ? ([['no user namespace', false]] as const) : [])] as const;

describe.each(shapes)('in a capsule with %s', (_, userNamespace) => {
  const shape = { ...capsuleShape(), userNamespace };

  test.each([
    ['plain', '900'],
    ['plain', '900:15'],
    ['plain', '900:11'],
    ['threads', '901'],
    ['handler', '902:10'],
  ])(
    'a child (%s %s) runs elsewhere, and its parent sees nothing of it',
    { ...skip, timeout: 60_000 },
    async (kind, work) => {
      const command = family(kind, work, '3');
      const still = await Job.start(command, shape).end();
      const job = Job.start(command, shape);
      const { copy, deputy, child } = await sendAway(job, await busiest(job));
      expect(readProcessStat(child.pid)?.state).toBe('t');
      const end = await copy.ended;
      expect(job.text('out')).not.toContain(`${work} has`);
      deputy.end(end ?? {});
      expect(await deputy.fate).toBe('ended');
      const moved = await job.end();
      expect(sorted(moved.out)).toBe(sorted(still.out));
      expect(sorted(moved.err)).toBe(sorted(still.err));
      expect(moved.ended).toEqual(still.ended);
      const sum = (moved.usage?.userUs ?? 0) + (end?.usage.userUs ?? 0);
      expect(sum / (still.usage?.userUs ?? 1)).toBeGreaterThan(0.9);
      expect(sum / (still.usage?.userUs ?? 1)).toBeLessThan(1.1);
    },
  );

  test('a copy that is lost was never there: the original goes on', { ...skip, timeout: 60_000 }, async () => {
    const command = family('plain', '800', '3');
    const still = await Job.start(command, shape).end();
    const job = Job.start(command, shape);
    const { copy, deputy } = await sendAway(job, await busiest(job));
    await copy.kill();
    expect(await copy.ended).toBeUndefined();
    expect(isDead(copy.pid)).toBe(true);
    deputy.letGo();
    expect(await deputy.fate).toBe('going');
    const moved = await job.end();
    expect(sorted(moved.out)).toBe(sorted(still.out));
    expect(moved.ended).toEqual(still.ended);
  });
});

test('a copy is killed when its time is over', { ...skip, timeout: 60_000 }, async () => {
  const job = Job.start(family('plain', '9000'));
  const { copy } = await sendAway(job, await busiest(job));
  copy.runUntil(process.hrtime.bigint() + 200_000_000n);
  expect(await copy.ended).toBeUndefined();
  expect(isDead(copy.pid)).toBe(true);
});

test('signals to the original are told, and reach the copy', { ...skip, timeout: 60_000 }, async () => {
  const job = Job.start(family('handler', '900'));
  const { copy, deputy, child, sent } = await sendAway(job, await busiest(job));
  process.kill(child.pid, 'SIGUSR1');
  await until(() => sent.length > 0);
  expect(sent).toEqual([constants.signals.SIGUSR1]);
  sent.forEach((number) => copy.signal(number));
  // A SIGCONT alone does not let it go on.
  process.kill(child.pid, 'SIGCONT');
  await until(() => sent.length > 1);
  expect(readProcessStat(child.pid)?.state).toBe('t');
  deputy.end((await copy.ended) ?? {});
  expect((await job.end()).out).toMatch(/heard 1\n900 -> exit 132 signal 0\ndone\n$/);
});

test('who kills the original is told so', { ...skip, timeout: 60_000 }, async () => {
  const job = Job.start(family('plain', '9000'));
  const { copy, deputy, child } = await sendAway(job, await busiest(job));
  process.kill(child.pid, 'SIGKILL');
  expect(await deputy.fate).toBe('gone');
  await copy.kill();
  expect((await job.end()).out).toBe('9000 begins\n9000 -> exit -1 signal 9\ndone\n');
});

test(
  'an original that is held no longer stays stopped, and can be held again',
  { ...skip, timeout: 60_000 },
  async () => {
    const job = Job.start(family('plain', '500'));
    const { copy, deputy, child } = await sendAway(job, await busiest(job));
    process.kill(child.pid, 'SIGCONT');
    deputy.release();
    expect(await deputy.fate).toBe('released');
    await until(() => readProcessStat(child.pid)?.state === 'T');
    await copy.kill();
    const again = await Deputy.hold({
      ...{ pid: child.pid, startTicks: child.startTicks, results: newTop(), folder: job.job.folder },
      known: 0n,
      onSent: () => undefined,
    });
    again?.letGo();
    expect((await job.end()).out).toMatch(/500 -> exit 244 signal 0\ndone\n$/);
  },
);

test.each([
  ['a pipe', () => family('pipe', '9000'), /has a pipe open/],
  ['memory', () => family('shared', '9000'), /shares memory/],
  [
    'a file it writes',
    () => ['sh', '-c', 'exec 5>>file; (while :; do :; done); :'],
    /has \/tmp\/.omx-\d+\/file open for writing/,
  ],
  [
    'a file it reads',
    () => ['sh', '-c', 'exec 5<"$0"; (while :; do :; done); :', join(programs, 'family.c')],
    /reads .*family.c, which other processes/,
  ],
])('what a child shares keeps it at home: %s', { ...skip, timeout: 60_000 }, async (_, command, reason) => {
  const job = Job.start(command());
  const child = await busiest(job);
  const image = join(newTop(), 'image');
  await expect(freezeChild({ criu: theCriu(), job: job.job, child, image })).rejects.toThrow(reason);
  expect(readProcessStat(child.pid)?.state).toBe('R');
});

test('the command itself and what has children is no candidate', { ...skip, timeout: 60_000 }, async () => {
  const job = Job.start(['sh', '-c', '(sh -c "while :; do :; done"; :); :']);
  const child = await busiest(job);
  const { pids } = readMembers(job.job.pid);
  expect(pids).toHaveLength(4);
  expect(readChildren(job.job.pid).map(({ pid }) => pid)).toEqual([pids[3]]);
  expect(child).toMatchObject({ pid: pids[3], isBusy: true });
});

describe('the end of a deputy', { ...skip, timeout: 60_000 }, () => {
  const loop = ['sh', '-c', 'while :; do :; done'];
  const deaf = ['sh', '-c', 'trap "" TERM USR1; trap ":" SEGV; while :; do :; done'];
  const threads = [
    'python3',
    '-c',
    'import threading\nfor _ in range(3): threading.Thread(target=lambda: threading.Event().wait()).start()\nwhile True: pass',
  ];

  /** How a process ends that is stopped, held and ended in this way. */
  async function endOf(
    [file = '', ...args]: readonly string[],
    end: { readonly exitCode?: number; readonly signal?: number },
    top: string,
  ): Promise<{ readonly code: number | null; readonly signal: string | null }> {
    const child = spawn(file, args, { stdio: 'ignore' });
    const ended = new Promise<Awaited<ReturnType<typeof endOf>>>((resolve) =>
      child.once('exit', (code, signal) => resolve({ code, signal })),
    );
    const pid = child.pid ?? 0;
    // It is the program by now, and has got somewhere.
    await until(() => {
      const stat = readProcessStat(pid);
      return stat?.comm === 'sleep' ? stat.state === 'S' : (stat?.userTicks ?? 0) > 0 && stat?.state === 'R';
    });
    child.kill('SIGSTOP');
    await until(() => readProcessStat(pid)?.state === 'T');
    const startTicks = readProcessStat(pid)?.startTicks ?? 0;
    const deputy = await Deputy.hold({
      ...{ pid, startTicks, results: top, folder: join(top, 'job') },
      ...{ known: 0n, onSent: () => undefined },
    });
    deputy?.end(end);
    expect(await deputy?.fate).toBe('ended');
    return ended;
  }

  test('with every exit code', async () => {
    const top = newTop();
    for (let from = 0; from < 256; from += 32) {
      const codes = Array.from({ length: 32 }, (_, at) => from + at);
      const ends = await Promise.all(codes.map(async (exitCode) => endOf(['sleep', '1000'], { exitCode }, top)));
      expect(ends).toEqual(codes.map((code) => ({ code, signal: null })));
    }
  });

  test.each([
    ['a loop', loop],
    ['one that is deaf', deaf],
    ['one with threads', threads],
  ])('by signals, and with a code: %s', async (_, command) => {
    const top = newTop();
    for (const name of ['SIGTERM', 'SIGSEGV', 'SIGUSR1', 'SIGABRT', 'SIGKILL'] as const) {
      const signal = constants.signals[name];
      expect(await endOf(command, { signal }, top)).toEqual({ code: null, signal: name });
    }
    expect(await endOf(command, { exitCode: 77 }, top)).toEqual({ code: 77, signal: null });
  });

  test('adds the output of the copy before', async () => {
    const top = newTop();
    mkdirSync(join(top, 'job'));
    writeFileSync(join(top, 'out'), 'of the copy\n'.repeat(100_000));
    writeFileSync(join(top, 'job', 'out'), 'before\n');
    writeFileSync(join(top, 'job', 'err'), 'stays\n');
    await endOf(loop, { exitCode: 0 }, top);
    expect(readFileSync(join(top, 'job', 'out'), 'utf8')).toBe(`before\n${'of the copy\n'.repeat(100_000)}`);
    expect(readFileSync(join(top, 'job', 'err'), 'utf8')).toBe('stays\n');
  });
});
