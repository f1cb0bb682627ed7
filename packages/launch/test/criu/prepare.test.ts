import { cpSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { capsuleShape, checkImage, prepareCapsule, readMembers, type PreparedCapsule } from '../../src/criu/index.ts';
import { compile, Job, programs, skip, startChild, theCriu, until, type Child } from './kit.ts';

const options = { ...skip, timeout: 60_000 };
const shapes = [true, ...(process.geteuid?.() === 0 ? [false] : [])].map((userNamespace) => ({
  ...capsuleShape(),
  userNamespace,
}));

interface Prepared {
  readonly capsule: PreparedCapsule;
  readonly child: Child;
  readonly folder: string;
}

async function prepare(job: Job): Promise<Prepared> {
  const [folder, log] = [join(job.top, 'there'), join(job.top, 'log-there')];
  let child: Child | undefined;
  const capsule = await prepareCapsule({
    ...{ criu: theCriu(), shape: job.shape, image: job.image, folder, log },
    start: ({ argv, env }) => (child = startChild(argv, env, log)),
  });
  return { capsule, child: child as Child, folder };
}

const burner = (): readonly string[] => [compile(join(programs, 'burner.c'), 'burner'), 'timers', '2'];

test.each(shapes)(
  'a capsule waits for an image that is not yet there, and for another folder (user namespace: $userNamespace)',
  options,
  async (shape) => {
    const still = await Job.start(burner(), shape).finish().end();
    const job = Job.start(burner(), shape);
    await job.progress();
    const { capsule, child, folder } = await prepare(job);
    // Nothing of the job is in it, not even its folder.
    expect(() => readMembers(child.pid)).toThrow(/is not running/);
    expect(existsSync(job.image)).toBe(false);
    mkdirSync(folder);
    rmSync(folder, { recursive: true });
    const frozen = await job.freeze();
    const manifest = await frozen.seal();
    cpSync(job.job.folder, `${folder}.aside`, { recursive: true, preserveTimestamps: true });
    renameSync(`${folder}.aside`, folder);
    expect(await checkImage(job.image, theCriu())).toEqual(manifest);
    const copy = await capsule.thaw(manifest);
    await frozen.end();
    expect(await copy.go()).toBe(true);
    job.took({ ...copy, child });
    const moved = await job.finish().end();
    expect(moved).toMatchObject({ out: still.out, err: '', ended: still.ended });
  },
);

test('a capsule that is not wanted ends, and leaves nothing', options, async () => {
  const job = Job.start(burner());
  const { capsule, child } = await prepare(job);
  await capsule.abort();
  expect(child.process.exitCode ?? child.process.signalCode).toBeOneOf([125, 'SIGKILL']);
});

test(
  'a capsule that has died while it waited is told of, and the image can be thawed in another',
  options,
  async () => {
    const job = Job.start(burner());
    await job.progress();
    const { capsule, child, folder } = await prepare(job);
    child.process.kill('SIGKILL');
    await child.ended;
    const frozen = await job.freeze();
    const manifest = await frozen.seal();
    cpSync(job.job.folder, folder, { recursive: true, preserveTimestamps: true });
    await expect(capsule.thaw(manifest)).rejects.toMatchObject({ code: 'CANNOT_THAW' });
    const copy = await job.thaw(folder);
    await frozen.end();
    expect(await copy.go()).toBe(true);
    job.took(copy);
    await until(() => readMembers(copy.job.pid).pids.length > 1);
    expect((await job.finish().end()).status?.exitCode).toBe(5);
  },
);
