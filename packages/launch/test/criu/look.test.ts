import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { inspect } from '../../src/criu/inspect.ts';
import { parseMaps } from '../../src/criu/look.ts';
import { boundSockets } from '../../src/criu/sockets.ts';
import { treeOf } from '../fixture.ts';

const maps = `55d0-55d1 r--p 00000000 fe:00 123 /usr/bin/a b
55d1-55d2 rw-p 00001000 fe:00 123 /usr/bin/a b
7f00-7f01 rw-s 00000000 00:1b 9 /dev/shm/pool (deleted)
7f01-7f02 rw-s 00000000 00:01 32768 /SYSV00000000 (deleted)
7f02-7f03 r-xp 00000000 00:00 0 [vdso]
7f03-7f04 rw-p 00000000 00:00 0
`;

test('mapped files are found each once, whatever is in their names', () => {
  expect(parseMaps(maps)).toEqual([
    { path: '/usr/bin/a b', isDeleted: false, isShared: false },
    { path: '/dev/shm/pool', isDeleted: true, isShared: true },
    { path: '/SYSV00000000', isDeleted: true, isShared: true },
  ]);
});

interface Fake {
  readonly fds?: Readonly<Record<number, string>>;
  readonly writable?: readonly number[];
  /** Both at once. */
  readonly readWrite?: readonly number[];
  readonly maps?: string;
  readonly ns?: Readonly<Record<string, string>>;
  readonly tracer?: number;
  readonly tcp?: string;
}

const kinds = ['user', 'pid', 'mnt', 'ipc', 'net', 'uts', 'cgroup', 'time'];

function look(
  fake: Fake,
  userNamespace = true,
  first: Fake = fake.tcp === undefined ? {} : { tcp: fake.tcp },
): ReturnType<typeof inspect> {
  const roots = treeOf({});
  const add = (
    pid: number,
    { fds = {}, writable = [], readWrite = [], maps = '', ns = {}, tracer = 0, tcp = '' }: Fake,
  ): void => {
    const folder = join(roots.proc, String(pid));
    for (const name of ['fd', 'fdinfo', 'ns', 'net']) mkdirSync(join(folder, name), { recursive: true });
    writeFileSync(join(folder, 'status'), `Name:\tprog\nTracerPid:\t${tracer}\n`);
    writeFileSync(join(folder, 'maps'), maps);
    writeFileSync(join(folder, 'net', 'tcp'), tcp);
    for (const kind of kinds) symlinkSync(ns[kind] ?? `${kind}:[1]`, join(folder, 'ns', kind));
    for (const [fd, target] of Object.entries(fds)) {
      symlinkSync(target, join(folder, 'fd', fd));
      const access = readWrite.includes(Number(fd)) ? 2 : writable.includes(Number(fd)) ? 1 : 0;
      writeFileSync(join(folder, 'fdinfo', fd), `pos:\t0\nflags:\t010000${access}\n`);
    }
  };
  add(10, first);
  add(11, fake);
  const shape = { userNamespace, mount: '/tmp/.omx-0', own: ['/tmp/hsperfdata_root'] };
  return inspect({ init: 9, root: 10, pids: [10, 11], userNamespace }, shape, roots);
}

const head = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
const row = (local: string, remote: string, state: string, inode: number): string =>
  `   0: ${local} ${remote} ${state} 00000000:00000000 00:00000000 00000000     0        0 ${inode} 1 0000\n`;

test.each<readonly [string, Fake, string | undefined]>([
  ['io_uring', { fds: { 5: 'anon_inode:[io_uring]' } }, 'uses io_uring'],
  ['perf', { fds: { 5: 'anon_inode:[perf_event]' } }, 'uses performance counters (perf)'],
  ['epoll, a pipe and a file', { fds: { 5: 'anon_inode:[eventpoll]', 6: 'pipe:[4]', 7: '/home/u/f' } }, undefined],
  [
    'inotify without root',
    { fds: { 5: 'anon_inode:inotify' } },
    'watches files (inotify), which cannot be moved without root',
  ],
  ['both ends of pipes', { fds: { 5: 'pipe:[4]', 6: 'pipe:[4]' }, writable: [6] }, undefined],
  ['a pipe by its path', { fds: { 5: 'pipe:[4]' }, readWrite: [5] }, 'has a pipe open for reading and writing at once'],
  ['a terminal', { fds: { 0: '/dev/pts/3' } }, 'has a terminal open (/dev/pts/3)'],
  ['a terminal of its own', { fds: { 4: '/dev/ptmx' } }, 'has a terminal open (/dev/ptmx)'],
  ['a graphics card', { fds: { 9: '/dev/nvidia0' } }, 'has a device open (/dev/nvidia0)'],
  ['/dev/null and /dev/urandom', { fds: { 0: '/dev/null', 1: '/dev/urandom' } }, undefined],
  ['a file of /proc', { fds: { 4: '/proc/11/maps' } }, 'has /proc/11/maps open'],
  ['a debugger', { tracer: 99 }, 'is traced by process 99 (a debugger, strace)'],
  ['a container', { ns: { mnt: 'mnt:[2]' } }, 'is in another mount namespace (a container inside the job)'],
  [
    'System V memory without root',
    { maps: '7f01-7f02 rw-s 00000000 00:01 3 /SYSV00000000 (deleted)\n' },
    'uses System V shared memory, which cannot be moved without root',
  ],
  [
    'nameless shared memory without root',
    { maps: '7f00-7f01 rw-s 00000000 00:1b 9 /dev/shm/pool (deleted)\n' },
    'shares memory without a name (as Python multiprocessing does), which cannot be moved without root',
  ],
  [
    'a connection',
    { fds: { 5: 'socket:[77]' }, tcp: head + row('0100007F:C350', '0500000A:1538', '01', 77) },
    'holds a TCP connection to 10.0.0.5:5432',
  ],
  [
    'somebody else’s connection',
    { fds: { 5: 'socket:[78]' }, tcp: head + row('0100007F:C350', '0500000A:1538', '01', 77) },
    undefined,
  ],
  [
    'a server for everybody',
    { fds: { 5: 'socket:[77]' }, tcp: head + row('00000000:1F90', '00000000:0000', '0A', 77) },
    undefined,
  ],
  [
    'a server on one address',
    { fds: { 5: 'socket:[77]' }, tcp: head + row('0500000A:1F90', '00000000:0000', '0A', 77) },
    "holds a TCP socket that listens on this node's address 10.0.0.5:8080",
  ],
])('%s', (_, fake, reason) => {
  expect(look(fake).reasons).toEqual(reason === undefined ? [] : [`process 11 (prog) ${reason}`]);
});

test('what several processes hold is said once', () => {
  const tcp = head + row('0100007F:C350', '0500000A:1538', '01', 77);
  const one = { fds: { 5: 'socket:[77]', 6: 'anon_inode:[io_uring]' }, tcp };
  expect(look(one, true, { fds: { 7: 'socket:[77]' }, tcp }).reasons).toEqual([
    'process 10 (prog) holds a TCP connection to 10.0.0.5:5432 (another too)',
    'process 11 (prog) uses io_uring',
  ]);
});

test('with root, inotify, nameless and System V memory move', () => {
  const maps =
    '7f00-7f01 rw-s 00000000 00:1b 9 /dev/shm/pool (deleted)\n7f01-7f02 rw-s 00000000 00:01 3 /SYSV00000000 (deleted)\n';
  expect(look({ fds: { 5: 'anon_inode:inotify' }, maps }, false).reasons).toEqual([]);
});

test('files are told apart: the job’s own, those to be carried, those that must be there', () => {
  const seen = look({
    fds: { 1: '/tmp/.omx-0/out', 3: '/tmp/x', 4: '/tmp/hsperfdata_root/3', 5: '/home/u/in', 6: '/tmp/gone (deleted)' },
    writable: [1, 3],
    maps: '1-2 r-xp 00000000 fe:00 123 /usr/lib/libc.so.6\n2-3 r--p 00000000 fe:00 5 /var/tmp/prog\n',
  });
  expect(seen.reasons).toEqual([]);
  expect(seen.carried).toEqual([
    { path: '/tmp/x', isWritable: true },
    { path: '/var/tmp/prog', isWritable: false },
  ]);
  expect(seen.needed).toEqual(['/home/u/in', '/usr/lib/libc.so.6']);
});

test('addresses of the second family are read too', () => {
  const tcp6 =
    head +
    row('00000000000000000000000001000000:1F90', '00000000000000000000000000000000:0000', '0A', 1) +
    row('0000000000000000FFFF00000500000A:1F90', '0000000000000000FFFF00000600000A:0050', '01', 2) +
    row('B80D01200000000000000000010000A0:1F90', 'B80D01200000000000000000020000A0:0050', '01', 3);
  const roots = treeOf({ 'proc/5/net/tcp6': tcp6 });
  expect(boundSockets(5, new Set(['1', '2', '3']), roots)).toEqual([
    { inode: '2', what: 'a TCP connection to 10.0.0.6:80' },
    { inode: '3', what: 'a TCP connection to [2001:db8:0:0:0:0:a000:2]:80' },
  ]);
});
