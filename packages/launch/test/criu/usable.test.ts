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
  [
    "(00.1) Error (criu/ipc_ns.c:384): Can't stat map_files: Operation not permitted",
    'it uses System V shared memory, which cannot be moved without root',
  ],
  [
    "(00.1) Error (criu/sysctl.c:1): Can't open sysctl kernel/sem_next_id: Permission denied",
    'it uses System V semaphores or messages, which this kernel makes for root only',
  ],
  [
    "(00.1) Error (criu/files-reg.c:1790): Can't lookup mount=89 for fd=3 path=/queue",
    'it has a POSIX message queue open',
  ],
  [
    "(00.1) Error (criu/files-reg.c:1): Can't dump ghost file /dev/shm/x of 2000003584 size, increase limit",
    'it holds a deleted file, or shared memory without a name, of more than 1 GiB',
  ],
  [
    "(00.1) Error (criu/sockets.c:628): sockets: Can't get 1:16 opt: Operation not supported",
    'it has a network socket open, which CRIU before 4.2 cannot move on this kernel; a newer CRIU can',
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
  expect(differences(files)).toEqual([`${text} is another build here`]);
  writeFileSync(text, 'longer');
  expect(differences(files)).toEqual([`${text} is another build here (6 bytes, not 3)`]);
  expect(differences([{ path: join(top, 'none'), size: 1 }])).toEqual([`${join(top, 'none')} is missing here`]);
  expect(describeFile(top)).toBeUndefined();
});
