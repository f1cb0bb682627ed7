import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { bytesOf } from '@omx/core';
import { expect, onTestFinished, test, vi } from 'vitest';
import { readProcessStat } from '../../src/host/process.ts';
import { capsuleBinary, freeze, probeCriu, readManifest, readMembers, recallCriu, thaw } from '../../src/criu/index.ts';
import { thawArgv } from '../../src/criu/commands.ts';
import { Gate } from '../../src/criu/gate.ts';
import { isAlive } from '../shepherd/kit.ts';
import { compile, Job, newTop, programs, skip, startChild, theCriu, until } from './kit.ts';

const burner = (seconds = 1): readonly string[] => [
  compile(join(programs, 'burner.c'), 'burner'),
  'loop',
  String(seconds),
];
const expected = async (): Promise<string> => (await Job.start(burner(0.1)).finish().end()).out;
const options = { ...skip, timeout: 60_000 };

test('a job that is let go on after being frozen knows nothing of it', options, async () => {
  const job = Job.start(burner());
  await job.progress();
  for (let i = 0; i < 3; i++) {
    const frozen = await job.freeze();
    const before = job.text('out');
    const states = readMembers(job.job.pid).pids.map((pid) => readProcessStat(pid)?.state);
    expect(new Set(states)).toEqual(new Set(['t']));
    expect(job.text('out')).toBe(before);
    await frozen.keepGoing();
    await job.progress();
  }
  const whole = await job.finish().end();
  expect(whole.out).toBe(await expected());
  expect(whole.status?.exitCode).toBe(7);
});

test('what was stopped before stays stopped, here and there', options, async () => {
  const job = Job.start([
    'sh',
    '-c',
    'sleep 1000 & kill -STOP $!; echo ready; while :; do echo tick; sleep 0.05; done',
  ]);
  await job.progress();
  const stopped = (): number =>
    readMembers(job.job.pid).pids.filter((pid) => readProcessStat(pid)?.state === 'T').length;
  await until(() => stopped() === 1);
  await (await job.freeze()).keepGoing();
  await job.progress();
  expect(stopped()).toBe(1);
  await job.move('other');
  await job.progress();
  expect(stopped()).toBe(1);
});

test('a job that is paused is moved as it is, and goes on when it is resumed', options, async () => {
  const job = Job.start(burner());
  await job.progress();
  const everything = (): readonly number[] => {
    const { init, pids } = readMembers(job.job.pid);
    return [job.job.pid, init, ...pids];
  };
  for (const pid of everything()) process.kill(pid, 'SIGSTOP');
  await job.move('other');
  // criu stops them as it lets them go.
  await until(() => readMembers(job.job.pid).pids.every((pid) => readProcessStat(pid)?.state === 'T'));
  for (const pid of everything()) process.kill(pid, 'SIGCONT');
  const whole = await job.finish().end();
  expect(whole.out).toBe(await expected());
  expect(whole.status?.exitCode).toBe(7);
});

test('when criu is killed at the gate the job goes on, and its end is refused', options, async () => {
  const job = Job.start(burner());
  await job.progress();
  const frozen = await job.freeze();
  const { init } = readMembers(job.job.pid);
  const criu = readMembers(job.job.pid).pids.map((pid) => tracerOf(pid));
  process.kill(criu.find((pid) => pid > 0) ?? -1, 'SIGKILL');
  await job.progress();
  await expect(frozen.end()).rejects.toMatchObject({ code: 'SLIPPED' });
  expect(isAlive(init)).toBe(true);
  expect((await job.finish().end()).out).toBe(await expected());
});

test('when nobody decides in time the job goes on by itself, and its end is refused', options, async () => {
  const job = Job.start(burner());
  await job.progress();
  const frozen = await freeze({ criu: theCriu(), job: job.job, image: job.image, holdMs: 500 });
  await job.progress();
  await expect(frozen.end()).rejects.toMatchObject({ code: 'SLIPPED' });
  expect((await job.finish().end()).out).toBe(await expected());
});

test('when the process that froze it dies the job goes on', options, async () => {
  const job = Job.start(burner());
  await job.progress();
  const built = new URL('../../dist/criu/index.js', import.meta.url).href;
  const script = `import(${JSON.stringify(built)}).then(async ({ freeze }) => {
    await freeze(${JSON.stringify({ criu: theCriu(), job: job.job, image: job.image })});
    process.kill(process.pid, 'SIGKILL');
  })`;
  expect(() =>
    execFileSync(process.execPath, ['-e', script], { stdio: 'pipe', env: { ...process.env, TMPDIR: job.top } }),
  ).toThrow(expect.objectContaining({ signal: 'SIGKILL' }));
  await job.progress();
  expect((await job.finish().end()).out).toBe(await expected());
});

test('a copy that is aborted at the gate leaves the original as it was', options, async () => {
  const job = Job.start(burner());
  await job.progress();
  const frozen = await job.freeze();
  await frozen.seal();
  const there = join(job.top, 'there');
  cpSync(job.job.folder, there, { recursive: true });
  const before = job.lines(there);
  const copy = await job.thaw(there);
  const { pids } = readMembers(copy.job.pid);
  await copy.abort();
  await until(() => !pids.some(isAlive));
  expect(job.lines(there)).toBe(before);
  await frozen.keepGoing();
  expect((await job.finish().end()).out).toBe(await expected());
});

test('the death of whoever holds the gate ends a capsule that waits for its order', options, async () => {
  const job = new Job();
  const gate = await Gate.open();
  const log = join(job.top, 'log');
  const line = thawArgv({
    ...{ capsule: capsuleBinary(), criu: theCriu().file, images: job.image, log, folder: job.top, shape: job.shape },
  });
  const env = Object.entries(gate.env(60_000)).map(([name, value]) => bytesOf(`${name}=${value}`));
  const child = startChild(line.map(bytesOf), env, log);
  await gate.awaited;
  gate.close();
  expect(await child.ended).toEqual({ code: 125, signal: null });
});

test('the death of whoever holds a copy’s gate kills the copy', options, async () => {
  const job = Job.start(burner());
  await job.progress();
  const frozen = await job.freeze();
  const { clocks, lastPid, shape } = await frozen.seal();
  const there = join(job.top, 'there');
  cpSync(job.job.folder, there, { recursive: true });
  const gate = await Gate.open();
  const log = join(job.top, 'log');
  const line = thawArgv({
    ...{ capsule: capsuleBinary(), criu: theCriu().file, images: join(job.image, 'criu'), log, folder: there, shape },
  });
  const env = Object.entries(gate.env(60_000)).map(([name, value]) => bytesOf(`${name}=${value}`));
  const child = startChild(line.map(bytesOf), env, log);
  await gate.awaited;
  gate.order({ monotonicNs: BigInt(clocks.monotonicNs), bootNs: BigInt(clocks.bootNs) }, lastPid);
  await gate.reached;
  const { pids } = readMembers(child.pid);
  gate.close();
  expect(await child.ended).not.toEqual({ code: 0, signal: null });
  await until(() => !pids.some(isAlive));
  await frozen.keepGoing();
  expect((await job.finish().end()).out).toBe(await expected());
});

test('a copy that cannot be made is told with its reason, and the original goes on', options, async () => {
  const job = Job.start(burner());
  await job.progress();
  const frozen = await job.freeze();
  await frozen.seal();
  const there = join(job.top, 'there');
  cpSync(job.job.folder, there, { recursive: true });
  rmSync(join(there, 'out'));
  await expect(job.thaw(there)).rejects.toMatchObject({ code: 'CANNOT_THAW', message: /out is missing/ });
  await frozen.keepGoing();
  expect((await job.finish().end()).out).toBe(await expected());
});

test('a job with a unix socket to outside cannot be frozen, for that reason, and goes on', options, async () => {
  const job = new Job();
  const path = join(job.top, 's');
  const server = createServer().listen(path);
  onTestFinished(() => void server.close());
  const script = `import socket,sys,time
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
for i in range(100): print(i, flush=True); time.sleep(0.01)`;
  const held = Job.start(['python3', '-c', script, path]);
  await held.progress();
  await expect(held.freeze()).rejects.toMatchObject({
    code: 'CANNOT_MOVE',
    message: /unix socket to a process outside/,
  });
  expect((await held.end()).out.split('\n').length).toBe(101);
});

test('a connection over the network is seen before anything is frozen', options, async () => {
  const server = createServer((socket) => socket.on('error', () => socket.destroy())).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await until(() => server.address());
  const { port } = server.address() as { port: number };
  const script = `import socket,sys,time
s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
for i in range(100): print(i, flush=True); time.sleep(0.01)`;
  const job = Job.start(['python3', '-c', script, String(port)]);
  await job.progress();
  await expect(job.freeze()).rejects.toMatchObject({ message: new RegExp(`TCP connection to 127.0.0.1:${port}`) });
  expect((await job.end()).out.split('\n').length).toBe(101);
});

test(
  'a full disk stops the writing, not the job',
  { ...options, skip: options.skip || process.geteuid?.() !== 0 },
  async () => {
    const job = Job.start([burner()[0] ?? '', 'memory', '1']);
    await job.progress();
    const small = join(job.top, 'small');
    execFileSync('mkdir', [small]);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', small]);
    try {
      const freezing = freeze({ criu: theCriu(), job: job.job, image: join(small, 'image') });
      await expect(freezing).rejects.toMatchObject({ code: 'CANNOT_MOVE', message: /no room on the disk/ });
    } finally {
      execFileSync('umount', [small]);
    }
    const whole = await job.finish().end();
    expect(whole.status?.exitCode).toBe(0);
    expect(whole.out).toContain('sum ');
  },
);

test(
  'an image that was cut short, changed or made otherwise is refused before anything is started',
  options,
  async () => {
    const job = Job.start(burner());
    await job.progress();
    const frozen = await job.freeze();
    const attempt = (image: string): Promise<unknown> =>
      thaw({
        ...{ criu: theCriu(), image, folder: job.job.folder, log: join(job.top, 'log') },
        start: () => {
          throw new Error('started');
        },
      });
    const refused = (reason: RegExp): unknown =>
      expect.objectContaining({ code: 'IMAGE_UNUSABLE', message: expect.stringMatching(reason) });
    await expect(attempt(frozen.image)).rejects.toEqual(refused(/no manifest/));
    const manifest = await frozen.seal();
    const pages = manifest.files.find(({ path }) => path.includes('pages-'))?.path ?? '';
    const damaged = async (reason: RegExp, damage: (image: string) => void): Promise<void> => {
      const image = join(job.top, 'damaged');
      rmSync(image, { recursive: true, force: true });
      cpSync(frozen.image, image, { recursive: true });
      damage(image);
      await expect(attempt(image)).rejects.toEqual(refused(reason));
    };
    await damaged(/pages-.* has 4096 bytes instead of/, (image) => truncateSync(join(image, pages), 4096));
    await damaged(/pages-.* was changed/, (image) => {
      const bytes = readFileSync(join(image, pages));
      bytes[100] = (bytes[100] ?? 0) ^ 1;
      writeFileSync(join(image, pages), bytes);
    });
    await damaged(/pages-.* is missing/, (image) => rmSync(join(image, pages)));
    await damaged(/does not belong/, (image) => appendFileSync(join(image, 'criu', 'more.img'), 'x'));
    const rewrite = (change: object) => (image: string) =>
      writeFileSync(join(image, 'manifest.json'), JSON.stringify({ ...manifest, ...change }));
    await damaged(
      /another version of omx made it, in the image format 0, and this omx reads the format 1/,
      rewrite({ format: 0 }),
    );
    await damaged(/made on sparc/, rewrite({ arch: 'sparc' }));
    await damaged(/CRIU 99.0 wrote it/, rewrite({ criu: '99.0' }));
    await damaged(/\/no\/such\/library is missing/, rewrite({ needed: [{ path: '/no/such/library', size: 1 }] }));
    await damaged(/cannot be read/, (image) => writeFileSync(join(image, 'manifest.json'), '{"form'));
    expect(readManifest(frozen.image)).toEqual(manifest);
    await expect(attempt(frozen.image)).rejects.toThrow('started');
    await frozen.keepGoing();
    expect((await job.finish().end()).out).toBe(await expected());
  },
);

test('a node is probed by really freezing and thawing, and leaves nothing behind', options, async () => {
  const top = newTop();
  // One that a killed process left.
  mkdirSync(join(top, 'omx-probe-old'));
  utimesSync(join(top, 'omx-probe-old'), 0, 0);
  vi.stubEnv('TMPDIR', top);
  try {
    expect(await probeCriu()).toEqual({ criu: theCriu() });
    expect(readdirSync(top)).toEqual([]);
    expect(await probeCriu({ OMX_CRIU: '/bin/true' })).toMatchObject({
      reason: expect.stringMatching(/OMX_CRIU=\/bin\/true is none/),
    });
    expect(await recallCriu()).toEqual({ criu: theCriu() });
  } finally {
    vi.unstubAllEnvs();
  }
});

function tracerOf(pid: number): number {
  return Number(/^TracerPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0);
}
