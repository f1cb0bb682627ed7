import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execaSync } from 'execa';
import { expect, test } from 'vitest';
import { outputText } from '../src/output-text.ts';
import { folder } from './kit.ts';

test('bytes and files are UTF-8; ill-formed sequences are replaced', () => {
  const path = join(folder(), 'out');
  writeFileSync(path, 'grüß');
  const text = outputText({ out: { path }, err: Uint8Array.of(0x61, 0xff, 0x62) }, 100);
  expect(text.out).toBe('grüß');
  expect(text.err).toBe('a\u{FFFD}b');
});

test('a stream nobody asks for is not read', () => {
  const text = outputText({ out: Buffer.from('x'), err: { path: '/nowhere/err' } }, 100);
  expect(text.out).toBe('x');
  expect(() => text.err).toThrow(/cannot read standard error: ENOENT/);
});

test('more than the limit is refused, in bytes and in files', () => {
  const path = join(folder(), 'out');
  writeFileSync(path, 'x'.repeat(11));
  const text = outputText({ out: { path }, err: Buffer.alloc(11) }, 10);
  expect(() => text.out).toThrow('cannot read standard output: it has 11 bytes, more than the 10');
  expect(() => text.err).toThrow('standard error has 11 bytes, more than the 10');
});

test('a pipe is refused and not waited for', () => {
  const path = join(folder(), 'pipe');
  execaSync('mkfifo', [path]);
  expect(() => outputText({ out: { path }, err: Buffer.alloc(0) }, 10).out).toThrow('not a regular file');
});
