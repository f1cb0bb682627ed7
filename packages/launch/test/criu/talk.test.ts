import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { needs } from '../../../../test/kit/needs.ts';
import { capsuleShape, freeze } from '../../src/criu/index.ts';
import { compile, Job, programs, skip, theCriu } from './kit.ts';

const byRoot = process.geteuid?.() === 0;
const capsule = (userNamespace: boolean) => ({ ...capsuleShape(), userNamespace });
const talk = (by: string): readonly string[] => [compile(join(programs, 'talk.c'), 'talk'), by, '0.5'];

const ways = ['memory', 'messages', 'nameless', 'watch'] as const;
/** What no job may hold. */
const forNobody = { terminal: /has a terminal open/, connection: /holds a TCP connection to 127\.0\.0\.1:/ };
/** What a job may hold only where the capsule has no user namespace, with the reason. */
const forRoot: Partial<Record<(typeof ways)[number], RegExp>> = {
  memory: /uses System V shared memory, which cannot be moved without root/,
  nameless: /shares memory without a name .* cannot be moved without root/,
  watch: /watches files \(inotify\), which cannot be moved without root/,
};

async function moveOften(command: readonly string[], userNamespace: boolean): Promise<void> {
  const still = await Job.start(command, capsule(userNamespace)).finish().end();
  expect(still.err).toBe('');
  expect(still.ended.code).toBeGreaterThan(15);
  const job = Job.start(command, capsule(userNamespace));
  await job.progress();
  for (let i = 0; i < 4; i++) {
    // Whatever was done to look into it must be undone where it stays.
    if (i % 3 === 1) await (await job.freeze()).keepGoing();
    await job.move(i % 2 === 0 ? 'other' : 'same');
    await job.progress(job.lines() < 90 ? 1 : 0);
  }
  const moved = await job.finish().end();
  expect(moved).toMatchObject({ out: still.out, err: '', ended: still.ended });
}

test.each(ways.filter((by) => !(by in forRoot)))(
  '%s: goes along again and again, without root too',
  { ...skip, timeout: 120_000 },
  (by) => moveOften(talk(by), true),
);

test.each(ways)('%s: goes along again and again', { ...(byRoot ? skip : rootOnly()), timeout: 120_000 }, (by) =>
  moveOften(talk(by), false),
);

function rootOnly(): { skip: boolean; meta: { skipReason: string } } {
  return { skip: true, meta: { skipReason: needs('root') ?? '' } };
}

const refused = [
  ...Object.entries(forRoot).map(([by, reason]) => [by, 'without root', true, reason] as const),
  ...Object.entries(forNobody).flatMap(([by, reason]) => [
    [by, 'without root', true, reason] as const,
    ...(byRoot ? [[by, 'also with root', false, reason] as const] : []),
  ]),
];
test.each(refused)(
  '%s: %s it is refused, and the job goes on',
  { ...skip, timeout: 60_000 },
  async (by, _, user, reason) => {
    await refusedWith(talk(by), user, reason);
  },
);

// A shell's way to wait without a program: on a pipe on which nothing comes.
const waiting = `
  exec 3<> <(:)
  for i in $(seq 100); do
    while [ $i = 95 ] && [ ! -e finish ]; do read -rt 0.02 -u 3; done
    echo $i
  done`;
const bashes = needs('bash') === undefined ? skip : { skip: true, meta: { skipReason: needs('bash') ?? '' } };

test('a pipe open for reading and writing at once: it is refused, and the job goes on', bashes, () =>
  refusedWith(['bash', '-c', waiting], !byRoot, /has a pipe open for reading and writing at once/),
);

async function refusedWith(command: readonly string[], userNamespace: boolean, reason: RegExp): Promise<void> {
  const still = await Job.start(command, capsule(userNamespace)).finish().end();
  const job = Job.start(command, capsule(userNamespace));
  await job.progress();
  const message = expect.stringMatching(reason) as string;
  await expect(job.freeze()).rejects.toMatchObject({ code: 'CANNOT_MOVE', message });
  expect(await job.finish().end()).toMatchObject({ out: still.out, err: '', ended: still.ended });
}

const pythons = needs('python3') === undefined ? skip : { skip: true, meta: { skipReason: needs('python3') ?? '' } };
const pool = (): readonly string[] => {
  // A shim that finds the interpreter is another program; what is moved is the interpreter.
  const python = execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).trim();
  return [python, join(programs, 'pool.py')];
};

test('a pool of Python: goes along again and again', { ...(byRoot ? pythons : rootOnly()), timeout: 120_000 }, () =>
  moveOften(pool(), false),
);

test('a pool of Python: without root it is refused, and the job goes on', { ...pythons, timeout: 60_000 }, () =>
  refusedWith(pool(), true, /shares memory without a name/),
);

test('a first semaphore between the look and the freeze is not left behind', { ...skip, timeout: 60_000 }, async () => {
  const job = Job.start(['sh', '-c', 'echo begun; while [ ! -e finish ]; do sleep 0.02; done'], capsule(true));
  await job.progress();
  const { file, version } = theCriu();
  const late = join(job.top, 'criu');
  writeFileSync(late, `#!/bin/sh\nipcmk -S 1 >/dev/null && exec '${file}' "$@"\n`, { mode: 0o755 });
  await expect(freeze({ criu: { file: late, version }, job: job.job, image: job.image })).rejects.toMatchObject({
    code: 'CANNOT_MOVE',
    message: expect.stringMatching(/it has just begun to use System V .*; try again/) as string,
  });
  await job.move('other');
  expect((await job.finish().end()).ended.code).toBe(0);
});

test('System V memory that no process has attached is seen too', { ...skip, timeout: 60_000 }, () =>
  refusedWith(
    ['sh', '-c', 'ipcmk -M 4096 >made && echo made; while [ ! -e finish ]; do sleep 0.02; done 2>/dev/null'],
    true,
    /uses System V shared memory, which cannot be moved without root/,
  ),
);
