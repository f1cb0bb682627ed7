import { readdirSync, rmSync, truncateSync, writeFileSync, openSync, writeSync, closeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  capsuleShape,
  checkImage,
  completePages,
  freeze,
  readManifest,
  receiveInto,
  receivePages,
  send,
  type CapsuleShape,
  type Frozen,
} from '../../src/criu/index.ts';
import { compile, Job, newTop, programs, skip, theCriu } from './kit.ts';

const burner = (seconds: number): readonly string[] => [
  compile(join(programs, 'burner.c'), 'burner'),
  'memory',
  String(seconds),
];
const options = { ...skip, timeout: 60_000 };
const host = '127.0.0.1';
const timeoutMs = 20_000;
const shapes = [
  ['a user namespace', true],
  ...(process.geteuid?.() === 0 ? ([['none', false]] as const) : []),
] as const;
const pagesIn = (image: string): readonly string[] =>
  readdirSync(join(image, 'criu')).filter((name) => name.startsWith('pages-') || name.startsWith('pagemap-'));

/** The job frozen, its image and folder in `into`, the memory by its own way. */
async function ship(job: Job): Promise<{ readonly frozen: Frozen; readonly image: string; readonly folder: string }> {
  const into = join(newTop(), 'into');
  const image = join(into, 'image');
  const receiving = await receiveInto({ host, into, timeoutMs });
  const pages = await receivePages({ criu: theCriu(), host, image, timeoutMs });
  const frozen = await freeze({ criu: theCriu(), job: job.job, image: job.image, pages });
  await send({ to: receiving, image: job.image, folder: job.job.folder, sealed: frozen.seal(), timeoutMs });
  await Promise.all([pages.done, receiving.done]);
  return { frozen, image, folder: join(into, 'folder') };
}

function started(seconds: number, shape: CapsuleShape = capsuleShape()): Job {
  return Job.start(burner(seconds), shape);
}

const sysv = [
  'none, and System V memory',
  false,
  () => [compile(join(programs, 'talk.c'), 'talk'), 'memory', '1'],
] as const;
describe.each([
  ...shapes.map(([name, userNamespace]) => [name, userNamespace, () => burner(1)] as const),
  ...(process.geteuid?.() === 0 ? [sysv] : []),
])('with %s', (_, userNamespace, command) => {
  test('a job goes on elsewhere with memory that never was in a file here', options, async () => {
    const shape = { ...capsuleShape(), userNamespace };
    const still = await Job.start(command(), shape).finish().end();
    const job = Job.start(command(), shape);
    await job.progress();
    for (let i = 0; i < 2; i++) {
      const { frozen, image, folder } = await ship(job);
      expect(pagesIn(job.image)).toEqual([]);
      expect(readManifest(job.image).pagesElsewhere).toBe(true);
      await expect(checkImage(job.image, theCriu())).rejects.toMatchObject({
        code: 'IMAGE_UNUSABLE',
        message: expect.stringContaining('its memory is not here') as string,
      });
      const copy = await job.thaw(folder, image);
      await frozen.end();
      await copy.go();
      job.took(copy);
      await job.progress(job.lines() < 90 ? 1 : 0);
    }
    const moved = await job.finish().end();
    expect(moved.out).toBe(still.out);
    expect(moved.ended).toEqual(still.ended);
    expect(moved.usage?.maxRssKib).toBeGreaterThan(0.9 * (still.status?.usage.maxRssKib ?? Number.NaN));
  });
});

describe('an image whose memory came by another way', () => {
  test(
    'is refused where the memory is cut short or missing, and after completion where it was changed',
    options,
    async () => {
      const job = started(5);
      await job.progress();
      const { frozen, image } = await ship(job);
      await frozen.keepGoing();
      const check = () => checkImage(image, theCriu());
      const refused = (message: RegExp) =>
        expect(check()).rejects.toMatchObject({
          code: 'IMAGE_UNUSABLE',
          message: expect.stringMatching(message) as string,
        });
      await check();

      const manifest = await completePages(image);
      expect(manifest).toEqual(readManifest(image));
      expect(manifest.pagesElsewhere).toBeUndefined();
      expect(manifest.files.map(({ path }) => path)).toEqual(
        expect.arrayContaining(pagesIn(image).map((name) => `criu/${name}`)),
      );
      await check();
      const pages = pagesIn(image).findLast((name) => name.startsWith('pages-')) ?? '';
      const file = openSync(join(image, 'criu', pages), 'r+');
      writeSync(file, 'X', 4096);
      closeSync(file);
      await refused(new RegExp(`criu/${pages} was changed`));

      const elsewhere = { ...manifest, pagesElsewhere: true, files: readManifest(job.image).files };
      writeFileSync(join(image, 'manifest.json'), JSON.stringify(elsewhere));
      truncateSync(join(image, 'criu', pages), 8192);
      await refused(new RegExp(`criu/${pages} has 8192 bytes instead of \\d+`));
      rmSync(join(image, 'criu', pages));
      await refused(new RegExp(`criu/${pages} has 0 bytes instead of \\d+`));
      rmSync(join(image, 'criu', 'pagemap-3.img'));
      await refused(/its memory is not here/);
    },
  );
});

describe('the job goes on where it is', () => {
  const stays = async (job: Job, freezing: Promise<unknown>, message: RegExp): Promise<void> => {
    await expect(freezing).rejects.toMatchObject({
      code: 'CANNOT_MOVE',
      message: expect.stringMatching(message) as string,
    });
    const whole = await job.finish().end();
    expect(whole.status?.exitCode).toBe(0);
    expect(whole.out).toMatch(/\nsum [0-9a-f]+\n$/);
  };

  test('where nobody waits for its memory, or for another one’s', options, async () => {
    const job = started(1);
    await job.progress();
    const image = join(newTop(), 'image');
    const pages = await receivePages({ criu: theCriu(), host, image, timeoutMs });
    const attempt = (to: typeof pages) => freeze({ criu: theCriu(), job: job.job, image: job.image, pages: to });
    await expect(attempt({ ...pages, token: 'f'.repeat(64) })).rejects.toThrow(/refuses the token/);
    await pages.stop();
    await stays(job, attempt(pages), /Connection refused/);
  });

  test('where the other side goes away in the middle', options, async () => {
    const job = started(1);
    await job.progress();
    const image = join(newTop(), 'image');
    const pages = await receivePages({ criu: theCriu(), host, image, timeoutMs });
    const freezing = freeze({ criu: theCriu(), job: job.job, image: job.image, pages });
    // Its first file is there: it has begun.
    const watch = new Promise<void>((resolve) => {
      const look = (): void => void (pagesIn(image).length > 0 ? resolve() : setImmediate(look));
      look();
    });
    // Together, as it may be refused before the stopped one has ended.
    const stopped = watch.then(() => pages.stop());
    await Promise.all([stays(job, freezing, /node that was to take its memory/), stopped]);
    await expect(pages.done).rejects.toMatchObject({ code: 'SHIP_FAILED' });
  });
});
