import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { type Bytes, bytesOf } from '@omx/core';
import type { PathAnswer, PathQuestion } from '@omx/queue';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { checkPaths } from '../src/path-check.ts';

const dir = mkdtempSync(join(tmpdir(), 'omx-paths-'));
const at = (name: string): Bytes => bytesOf(`${dir}/${name}`);

beforeAll(() => {
  for (const folder of ['a', 'b', 'c', 'c/tool', 'ü']) mkdirSync(join(dir, folder));
  program('a/tool', 'one');
  program('b/tool', 'another');
  program('ü/tool', 'one');
  program('b/plain', 'text', 0o644);
});
afterAll(() => rmSync(dir, { recursive: true }));

function program(name: string, text: string, mode = 0o755): void {
  writeFileSync(join(dir, name), text);
  chmodSync(join(dir, name), mode);
}

async function ask(question: Omit<PathQuestion, 'cwd'> & { readonly cwd?: Bytes }): Promise<PathAnswer | undefined> {
  return (await checkPaths([{ cwd: at('a'), ...question }])).answers[0];
}

test.each([
  ['there', 'a', undefined],
  ['with a name beyond ASCII', 'ü', undefined],
  ['not there', 'z', 'is not there'],
  ['below a file', 'a/tool/x', 'is not there'],
  ['a file', 'a/tool', 'is not a folder'],
])('a folder that is %s', async (_name, path, problem) => {
  expect((await ask({ use: 'folder', path: at(path) }))?.problem).toBe(problem);
});

test.each([
  ['by its path', { path: at('b/tool') }, 'b/tool'],
  ['from the working directory', { path: bytesOf('./tool') }, 'a/./tool'],
  [
    'in PATH, the first that may be started',
    { path: bytesOf('tool'), search: bytesOf(`${dir}/z:${dir}/c:${dir}/b`) },
    'b/tool',
  ],
  [
    'in an empty part of PATH, which is the working directory',
    { path: bytesOf('tool'), search: bytesOf('/z:') },
    'a/tool',
  ],
])('a program is found %s', async (_name, question, found) => {
  const answer = await ask({ use: 'program', ...question });
  expect(answer).toMatchObject({
    found: at(found),
    bytes: expect.any(Number),
    digest: expect.stringMatching(/^[0-9a-f]{16}$/),
  });
  expect(answer?.problem).toBeUndefined();
});

test.each([
  ['not there', { path: at('a/none') }, 'is not there'],
  ['nowhere in PATH', { path: bytesOf('none'), search: bytesOf(`${dir}/a:${dir}/b`) }, 'is not there in PATH'],
  ['a folder', { path: at('c/tool') }, 'is not a file'],
  ['not executable', { path: at('b/plain') }, 'may not be executed'],
  ['not executable in PATH', { path: bytesOf('plain'), search: bytesOf(`${dir}/b`) }, 'may not be executed in PATH'],
])('a program that is %s', async (_name, question, problem) => {
  expect(await ask({ use: 'program', ...question })).toEqual({ problem });
});

test('without a PATH it is looked for where execvp looks', async () => {
  expect((await ask({ use: 'program', path: bytesOf('sh') }))?.found).toMatch(/^\/(usr\/)?bin\/sh$/);
});

test('builds are told apart by their contents, not by their place', async () => {
  const digests = await Promise.all(
    ['a/tool', 'b/tool', 'ü/tool'].map(async (name) => (await ask({ use: 'program', path: at(name) }))?.digest),
  );
  expect(digests[0]).toBe(digests[2]);
  expect(digests[0]).not.toBe(digests[1]);
});
