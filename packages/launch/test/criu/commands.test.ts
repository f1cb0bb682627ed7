import { bytesOf } from '@omx/core';
import { expect, test } from 'vitest';
import { dumpArgv, pageServerArgv, runArgv, thawArgv } from '../../src/criu/commands.ts';

const shape = { userNamespace: true, mount: '/tmp/.omx-1000', own: ['/tmp/hsperfdata_root'] };
const bytes = (text: string) => text.split(' ').map(bytesOf);

test('a job is started with its folder bound, and its words as they are', () => {
  const words = {
    command: ['sh', '-c', 'echo $HOME; --out x', ''].map(bytesOf),
    stdout: bytesOf('out'),
    stderr: bytesOf('err'),
  };
  const line = { capsule: '/omx/capsule', shape, folder: '/var/omx/b 7', ...words };
  expect(runArgv(line)).toEqual([
    ...bytes('/omx/capsule run --user --folder'),
    '/var/omx/b 7',
    ...bytes('--mount /tmp/.omx-1000 --own /tmp/hsperfdata_root --out out --err err --'),
    ...['sh', '-c', 'echo $HOME; --out x', ''],
  ]);
  const root = { ...line, shape: { ...shape, userNamespace: false, own: [] }, folder: '/f' };
  expect(runArgv({ ...root, cwd: bytesOf('/home/é'), stdin: bytesOf('in'), command: bytes('true') })).toEqual([
    ...bytes('/omx/capsule run --folder /f --mount /tmp/.omx-1000 --cwd'),
    bytesOf('/home/é'),
    ...bytes('--in in --out out --err err -- true'),
  ]);
});

const both = '--file-locks --link-remap --ghost-limit 1G --manage-cgroups=ignore -v2 --action-script /c';

test('an image is written from within the capsule, and the gate decides what becomes of the job', () => {
  const line = {
    capsule: '/c',
    criu: '/criu',
    root: 77,
    userNamespace: true,
    images: '/i',
    log: '/l',
    seizeSeconds: 10,
  };
  const common = `--tree 2 --images-dir /i --work-dir /l --log-file dump.log --timeout 10 ${both}`;
  expect(dumpArgv(line).join(' ')).toBe(`/c enter 77 --dump -- /criu dump --unprivileged ${common}`);
  expect(dumpArgv({ ...line, userNamespace: false }).join(' ')).toBe(`/c enter 77 --dump -- /criu dump ${common}`);
  const pages = { port: 4711, addresses: ['10.0.0.2', 'fe80::2%eth0'] };
  expect(dumpArgv({ ...line, userNamespace: false, pages }).join(' ')).toBe(
    `/c connect 4711 10.0.0.2 fe80::2%eth0 --fd 3 -- /c enter 77 --dump -- /criu dump ${common} --page-server --ps-socket 3`,
  );
});

test('a copy is made in a new capsule, where criu has the notes that it may have', () => {
  const line = { capsule: '/c', criu: '/criu', images: '/i', log: '/l', folder: '/f', shape };
  const thaw = (more: object) => thawArgv({ ...line, ...more }).join(' ');
  expect(thaw({ notes: '/n' })).toBe(thaw({}).replace(' -- /criu', ' --notes /n -- /criu'));
  expect(thaw({})).toBe(
    '/c thaw --user --folder /f --mount /tmp/.omx-1000 --own /tmp/hsperfdata_root ' +
      '--log /l/thaw.log -- /criu restore --unprivileged --images-dir /i --work-dir /l ' +
      `--log-file restore.log ${both} --exec-cmd -- /c wait`,
  );
});

test('a page server has the connection where criu is told to look for it, and is root at least in its own eyes', () => {
  const isRoot = process.geteuid?.() === 0;
  const words = '--ps-socket 3 --images-dir /i --work-dir /l --log-file page-server.log -v2';
  const line = { capsule: '/c', criu: '/criu', images: '/i', log: '/l' };
  expect(pageServerArgv({ ...line, notes: isRoot ? '/n' : undefined }).join(' ')).toBe(
    isRoot
      ? `--fd 3 -- /c noting /n -- /criu page-server ${words}`
      : `--fd 3 -- /c as-root -- /criu page-server ${words} --unprivileged`,
  );
});
