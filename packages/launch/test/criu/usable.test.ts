import { chmodSync, copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readBuildId } from '../../src/criu/build-id.ts';
import { explainCriu } from '../../src/criu/explain.ts';
import { compareVersions, usableCriu } from '../../src/criu/usable.ts';
import { describeFile, differences } from '../../src/criu/program-files.ts';
import { treeOf } from '../fixture.ts';

test('where there is no criu the reason is what was found instead', async () => {
  const { top } = treeOf({ criu: "#!/bin/sh\necho 'Version: 3.17.1'\n" });
  const named = join(top, 'criu');
  chmodSync(named, 0o755);
  await expect(usableCriu({ OMX_CRIU: named })).rejects.toThrow(`${named} is 3.17.1, too old`);
  await expect(usableCriu({ OMX_CRIU: '/no/criu' })).rejects.toThrow('OMX_CRIU=/no/criu is none');
});

test.each([
  ['4.1.1', '4.2', -1],
  ['4.2', '4.2', 0],
  ['4.10', '4.9', 1],
  ['4.2.1', '4.2', 1],
  ['4.2-rc1', '4.2', 0],
])('%s against %s', (a, b, sign) => expect(Math.sign(compareVersions(a, b))).toBe(sign));

test.each([
  [
    '(00.1) Error (criu/sk-unix.c:1): unix: Unix socket 5 without peer',
    'it holds a unix socket to a process outside the job',
  ],
  [
    '(00.1) Error (criu/files-reg.c:1): File usr/lib/x.so has bad size 10 (expect 12)',
    'usr/lib/x.so has 10 bytes, not 12 as where it came from',
  ],
  ['(00.1) Error (criu/x.c:1): something new', "criu says 'something new'"],
  ['(00.1) Warn  (criu/x.c:1): unwell', 'criu says nothing of the reason'],
])('%s', (line, words) => {
  const noise = "(00.0) Error (criu/util.c:1): rlimit: Can't setup RLIMIT_NOFILE for self: Operation not permitted";
  const { top } = treeOf({ log: `${noise}\n${line}\n(00.2) Error (criu/cr-dump.c:1): Dumping FAILED.\n` });
  expect(explainCriu(join(top, 'log'))).toBe(words);
});

test('a program is the same by its build id and size, another file by its bytes', () => {
  const id = readBuildId(process.execPath) ?? readBuildId('/bin/sh');
  expect(id).toMatch(/^[0-9a-f]{40}$/);
  const { top } = treeOf({ text: 'one' });
  const [sh, text] = [join(top, 'sh'), join(top, 'text')];
  copyFileSync('/bin/sh', sh);
  const files = [sh, text].map(describeFile).filter((file) => file !== undefined);
  expect(files).toMatchObject([
    { path: sh, buildId: readBuildId('/bin/sh') },
    { path: text, size: 3, sha256: /^[0-9a-f]{64}$/ },
  ]);
  expect(differences(files)).toEqual([]);
  writeFileSync(text, 'two');
  expect(differences(files)).toEqual([`${text} is another version (3 bytes here, 3 there)`]);
  expect(differences([{ path: join(top, 'none'), size: 1 }])).toEqual([`${join(top, 'none')} is missing`]);
  expect(describeFile(top)).toBeUndefined();
});
