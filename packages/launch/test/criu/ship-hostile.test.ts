import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { receiveInto, type Receiving } from '../../src/criu/index.ts';
import { newTop } from './kit.ts';
import { archiveEnd, member, proven } from './wire.ts';

/** Streams of one who knows the token. */
const receive = (into: string): Promise<Receiving> => receiveInto({ host: '127.0.0.1', into, timeoutMs: 20_000 });

const evil = { body: 'evil' };
const hostile: readonly (readonly [string, (outside: string) => readonly Buffer[]])[] = [
  ['names with ..', () => [member('../outside/evil', evil), member('image/../../outside/evil', evil)]],
  ['absolute names', (outside) => [member(join(outside, 'evil'), evil), member(`/${outside}/evil`, evil)]],
  [
    'a symbolic link and a file through it',
    (outside) => [
      ...[member('image/l', { type: '2', link: outside }), member('image/l/evil', evil)],
      ...[member('folder', { type: '2', link: '../outside' }), member('folder/evil', evil)],
      ...[member('image/a', { type: '2', link: '.' }), member('image/a/b', { type: '2', link: '../outside' })],
      member('image/b/evil', evil),
    ],
  ],
  [
    'a link in place of the image',
    (outside) => [member('image', { type: '2', link: outside }), member('image/evil', evil)],
  ],
  [
    'a hard link to a file, and a write to it',
    (outside) => [
      ...[member('image/h', { type: '1', link: join(outside, 'victim') }), member('image/h', evil)],
      ...[member('image/i', { type: '1', link: '../outside/victim' }), member('image/i', evil)],
    ],
  ],
  [
    'a link to a file, and a write to it',
    (outside) => [member('image/v', { type: '2', link: join(outside, 'victim') }), member('image/v', evil)],
  ],
];

test.each(hostile)('a hostile stream writes nothing outside: %s', async (_, members) => {
  const top = newTop();
  const [into, outside] = [join(top, 'into'), join(top, 'outside')];
  mkdirSync(outside);
  writeFileSync(join(outside, 'victim'), 'untouched');
  const receiving = await receive(into);
  const { socket, closed } = await proven(receiving);
  const end = [member('image/manifest.json', { body: '{}' }), archiveEnd];
  socket.end(Buffer.concat([...members(outside), ...end]));
  await receiving.done.catch((error: unknown) => expect(error).toMatchObject({ code: 'SHIP_FAILED' }));
  await closed;
  expect(readdirSync(outside)).toEqual(['victim']);
  expect(readFileSync(join(outside, 'victim'), 'utf8')).toBe('untouched');
  expect(readdirSync(top).sort()).toEqual(['into', 'outside']);
});

test('what is neither image nor folder, or no folder itself, is refused', async () => {
  for (const extra of [member('more', evil), member('folder', { type: '2', link: 'image' })]) {
    const receiving = await receive(newTop());
    const { socket } = await proven(receiving);
    socket.end(Buffer.concat([extra, member('image/manifest.json', { body: '{}' }), archiveEnd]));
    await expect(receiving.done).rejects.toMatchObject({
      code: 'SHIP_FAILED',
      message: expect.stringMatching(/does not belong/),
    });
  }
});
