import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { checkpoint, readManifest, readMembers, restoreFolder } from '../../src/criu/index.ts';
import { isAlive } from '../shepherd/kit.ts';
import { compile, Job, programs, skip, theCriu, until } from './kit.ts';

const options = { ...skip, timeout: 60_000 };
const burner = (): string => compile(join(programs, 'burner.c'), 'burner');

test('a job that dies goes on from its last checkpoint, files and all, as if it had never died', options, async () => {
  const still = await Job.start([burner(), 'file', '1']).finish().end();
  const job = Job.start([burner(), 'file', '1']);
  const write = () => checkpoint({ criu: theCriu(), job: job.job, image: job.image });
  await job.progress();
  await write();
  await job.progress(10);
  const last = await write();
  expect(readManifest(job.image)).toEqual(last.manifest);
  await job.progress(10);
  const { pids } = readMembers(job.job.pid);
  job.child.process.kill('SIGKILL');
  await job.child.ended;
  await until(() => !pids.some(isAlive));

  for (const place of ['elsewhere', 'again']) {
    const folder = join(job.top, place);
    await restoreFolder(job.image, folder);
    const copy = await job.thaw(folder);
    await copy.go();
    job.took(copy);
    const whole = await job.finish().end();
    expect(whole.out).toBe(still.out);
    expect(whole.status?.exitCode).toBe(6);
    const cpu = ({ userUs = 0, sysUs = 0 } = {}): number => userUs + sysUs;
    expect(Math.abs(cpu(whole.usage) / cpu(still.usage) - 1)).toBeLessThan(0.05);
    expect(job.text('data')).toBe(still.out.split('\n').slice(100, 110).join('\n') + '\n');
  }
});

test('a checkpoint that fails leaves the one before', options, async () => {
  const job = Job.start([burner(), 'loop', '1']);
  await job.progress();
  const write = (timeoutMs?: number) =>
    checkpoint({ criu: theCriu(), job: job.job, image: job.image, ...(timeoutMs === undefined ? {} : { timeoutMs }) });
  const first = await write();
  await expect(write(1)).rejects.toMatchObject({ code: 'CRIU_DIED', message: /within/ });
  expect(readManifest(job.image)).toEqual(first.manifest);
  expect(existsSync(`${job.image}.new`)).toBe(false);
  expect((await job.finish().end()).status?.exitCode).toBe(7);
});

test('files in folders for temporary ones go along', options, async () => {
  const path = `/dev/shm/omx-criu-test-${process.pid}`;
  onTestFinished(() => rmSync(path, { force: true }));
  const script = `exec 3>>${path}; i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo $i >&3; echo $i; sleep 0.02; done; cat ${path}`;
  const job = Job.start(['bash', '-c', script]);
  await job.progress(3);
  const frozen = await job.freeze();
  await frozen.seal();
  await frozen.end();
  // On another node there is no such file; or an older one, of another job.
  writeFileSync(path, 'of another job\n');
  const copy = await job.thaw(job.job.folder);
  await copy.go();
  job.took(copy);
  const whole = await job.finish().end();
  const numbers = Array.from({ length: 60 }, (_, i) => `${i + 1}\n`).join('');
  expect(whole.out).toBe(numbers + numbers);
});
