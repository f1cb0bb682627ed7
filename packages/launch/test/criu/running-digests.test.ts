import { createHash } from 'node:crypto';
import { appendFileSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { digestImage, verifyImage } from '../../src/criu/digests.ts';
import { imageFormat, type ImageManifest, readManifest, writeManifest } from '../../src/criu/manifest.ts';
import { RunningDigests } from '../../src/criu/running-digests.ts';
import { receiveInto, send } from '../../src/criu/ship.ts';
import { newTop } from './kit.ts';
import { flipping } from './wire.ts';

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const piece = (text: string): Buffer => Buffer.alloc(3_000_000, text);

/** An image that has just begun to be written. */
function begun(): { readonly image: string; readonly pages: string } {
  const image = join(newTop(), 'image');
  mkdirSync(join(image, 'criu'), { recursive: true });
  return { image, pages: join(image, 'criu', 'pages-1.img') };
}

const manifestOf = async (image: string): Promise<ImageManifest> => ({
  format: imageFormat,
  criu: '4.1',
  arch: process.arch,
  shape: { userNamespace: false, mount: '/tmp/.omx-0', own: [] },
  createdAt: 0,
  clocks: { monotonicNs: '0', bootNs: '0' },
  lastPid: 300,
  usage: { userUs: 0, sysUs: 0, maxRssKib: 0 },
  needed: [],
  carried: [],
  files: await digestImage(image),
});

test('memory that grows has the digest of the whole, also where its folder is made later; other files are left to others', async () => {
  const image = join(newTop(), 'image');
  const running = new RunningDigests(image);
  mkdirSync(join(image, 'criu'), { recursive: true });
  const pages = join(image, 'criu', 'pages-1.img');
  for (const text of ['one', 'two', 'three']) appendFileSync(pages, piece(text));
  writeFileSync(join(image, 'criu', 'pages-2.img'), '');
  writeFileSync(join(image, 'criu', 'core-2.img'), 'registers');
  const found = await running.finish();
  const whole = Buffer.concat(['one', 'two', 'three'].map(piece));
  expect(Object.fromEntries(found)).toEqual({
    'criu/pages-1.img': { size: whole.length, sha256: sha256(whole) },
    'criu/pages-2.img': { size: 0, sha256: sha256(Buffer.alloc(0)) },
  });
  // Asked again it says the same.
  expect(await running.finish()).toBe(found);
});

test('of a file that was replaced it says nothing, and it is read', async () => {
  const { image, pages } = begun();
  writeFileSync(pages, piece('good'));
  const manifest = await manifestOf(image);
  const running = new RunningDigests(image);
  writeFileSync(`${pages}.new`, piece('evil'));
  renameSync(`${pages}.new`, pages);
  const refusal = { code: 'IMAGE_UNUSABLE', message: expect.stringContaining('pages-1.img was changed') as string };
  await expect(verifyImage(image, manifest, running)).rejects.toMatchObject(refusal);
});

test('what is changed on the network is refused', async () => {
  const { image, pages } = begun();
  writeFileSync(pages, piece('good'));
  const manifest = writeManifest(image, await manifestOf(image));
  const into = join(newTop(), 'into');
  const receiving = await receiveInto({ host: '127.0.0.1', into, timeoutMs: 20_000 });
  const running = new RunningDigests(join(into, 'image'));
  await send({ to: await flipping(receiving, 1_500_000), image, timeoutMs: 20_000 });
  await receiving.done;
  expect(readManifest(join(into, 'image'))).toEqual(manifest);
  const refusal = { code: 'IMAGE_UNUSABLE', message: expect.stringContaining('pages-1.img was changed') as string };
  await expect(verifyImage(join(into, 'image'), manifest, running)).rejects.toMatchObject(refusal);
});

test.each([
  ['changed', (pages: string) => writeFileSync(pages, piece('evil')), /pages-1.img was changed/],
  ['cut short', (pages: string) => writeFileSync(pages, 'good'), /pages-1.img has 4 bytes instead of/],
  ['not at all', () => undefined, /pages-1.img is missing/],
])('memory that came %s is refused', async (_, come, message) => {
  const { image, pages } = begun();
  writeFileSync(pages, piece('good'));
  const manifest = await manifestOf(image);
  rmSync(pages);
  const running = new RunningDigests(image);
  come(pages);
  const refusal = { code: 'IMAGE_UNUSABLE', message: expect.stringMatching(message) as string };
  await expect(verifyImage(image, manifest, running)).rejects.toMatchObject(refusal);
  running.stop();
});

test('what was stopped has nothing to say, and everything is read', async () => {
  const { image, pages } = begun();
  writeFileSync(pages, piece('good'));
  const running = new RunningDigests(image);
  running.stop();
  const [file] = await digestImage(image, undefined, running);
  expect(file).toEqual({ path: 'criu/pages-1.img', size: 3_000_000, sha256: sha256(piece('good')) });
});
