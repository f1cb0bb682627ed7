import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { readText } from '../host/read.ts';

/** criu's words for what it cannot do, and ours. Source: its error texts as versions 4.0 to 4.2 print them. */
const sentences: readonly (readonly [RegExp, string | ((match: RegExpExecArray) => string)])[] = [
  [
    /Unix socket \d+ without peer|half of stream unix|External socket is used/,
    'it holds a unix socket to a process outside the job',
  ],
  [
    /sockets: Can't get 1:16 opt/,
    'it has a network socket open, which CRIU before 4.2 cannot move on this kernel; a newer CRIU can',
  ],
  [/In-flight connection/, 'it has not yet accepted a TCP connection'],
  [/Connected TCP socket/, 'it holds a TCP connection'],
  [/(bind|connect) inet socket back/, 'it uses an address or port that is not free on this node'],
  [
    /write pages to socket|to page server|page server doesn't answer|send PSI|final package/,
    'the node that was to take its memory has gone away, or has no room for it',
  ],
  [/Unknown shit|send_fds failed/, 'it uses io_uring or another kernel object that criu does not know'],
  [/Can't dump nested (\w+) namespace/, 'it runs a container of its own'],
  [/doesn't have a proper root mount/, 'it has a mount namespace of its own'],
  [/Unseizable non-zombie (\d+)/, 'it is traced by another process (a debugger, strace)'],
  [
    /doesn't live in IPC ns|ipc_ns\.c.*Can't stat map_files/,
    'it uses System V shared memory, which cannot be moved without root',
  ],
  [/sysctl \S*(shm|sem|msg|mqueue)/, 'it uses System V semaphores or messages, which this kernel makes for root only'],
  [/Can't lookup mount=\d+ for fd=\d+ path=\/[^/]+$/, 'it has a POSIX message queue open'],
  [/Can't dump file (\d+) of that type/, 'it has a device open'],
  [/Can't dump that handle/, 'it watches files (inotify), which cannot be moved without root'],
  [
    /Can't open mapped \[(.*?)\]/,
    (match) => `it shares memory through ${match[1]}, which cannot be moved without root`,
  ],
  [/Can't setup uid/, 'it has a terminal, or files of other users, open'],
  [/Iptables configuration failed/, 'it holds network connections among its own processes'],
  [
    /File (\S+) has bad size (\d+) \(expect (\d+)\)/,
    (match) => `${match[1]} has ${match[2]} bytes, not ${match[3]} as where it came from`,
  ],
  [/File (\S+) has bad build-ID/, (match) => `${match[1]} is another build than where it came from`],
  [/Can't open file (\S+).*No such file/, (match) => `${match[1]} is missing`],
  [
    /[Gg]host file .* too big|Can't dump ghost file .* of (\d+) size/,
    'it holds a deleted file, or shared memory without a name, of more than 1 GiB',
  ],
  [/No space left on device/, 'no room on the disk'],
  [/Can't fork for (\d+): File exists/, 'one of its process ids was taken'],
  [/setup RLIMIT|Can't get rlimit/, 'this needs the capability CAP_SYS_RESOURCE'],
  [/CPU|cpu.*capabilities|cpuinfo/, 'this processor lacks features of the one where it came from'],
];

/** Lines of criu that are printed also when all is well, and those that only say that something failed before. */
const noise =
  /RLIMIT_NOFILE for self|net: Unexpected error: -1|XDG_RUNTIME_DIR|Dumping FAILED|Restoring FAILED|action script|exited with -1/;

/** Why criu failed, from its log: in our words where we know them, else in its own, the first error first. */
export function explainCriu(logFile: string): string {
  const lines = (readText(logFile) ?? '').split('\n');
  // What the gate says is in criu's log too.
  const ours = lines.find((line) => line.startsWith('omx-capsule: '));
  if (ours !== undefined) return ours.slice('omx-capsule: '.length);
  const errors = lines.filter((line) => line.includes('Error') && !noise.test(line));
  for (const [pattern, words] of sentences) {
    for (const line of errors) {
      const match = pattern.exec(line);
      if (match !== null) return typeof words === 'string' ? words : words(match);
    }
  }
  const first = errors[0]?.replace(/^.*?Error \([^)]*\): /, '');
  if (first !== undefined) return `criu says '${first.trim()}'`;
  return isFull(dirname(logFile)) ? 'no room on the disk' : 'criu says nothing of the reason';
}

/** Where its log had no room either. */
function isFull(folder: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize < 64 << 10;
  } catch {
    return false;
  }
}
