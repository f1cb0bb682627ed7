import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll } from 'vitest';

import type { Tool } from '../../kit/needs.ts';
import { root } from '../../kit/open-home.ts';

/** A program that is moved while it runs. */
export interface Program {
  readonly name: string;
  readonly needs: readonly Tool[];
  /** Made when it is needed, as it may have to be compiled. `times`: how often it is to be moved. */
  readonly command: (times: number) => readonly string[];
  readonly exitCode: number;
  /** It waits near its end for a file `finish` in its folder; others have to be long enough. */
  readonly waits: boolean;
  /** What an undisturbed run may print in another order or with other numbers. */
  readonly masked?: (output: string) => string;
  /**
   * The part by which its processor time may differ from that of an undisturbed run.
   * @defaultValue 0.05
   */
  readonly usageDiffers?: number;
}

const own = join(root, 'test/fixtures/migration');
export const engines = join(root, 'packages/launch/test/criu/programs');
const lines = (text: string): string => text.split('\n').sort().join('\n');

let built: string | undefined;
afterAll(() => {
  if (built !== undefined) rmSync(built, { recursive: true, force: true });
  built = undefined;
});

/** Also for jobs of others than who runs the tests. */
function builtFolder(): string {
  const folder = mkdtempSync('/tmp/omx-programs-');
  chmodSync(folder, 0o755);
  return folder;
}

function compiled(source: string, name: string): string {
  built ??= builtFolder();
  const target = join(built, name);
  if (!existsSync(target)) execFileSync('cc', ['-O1', '-o', target, source]);
  return target;
}

function compiledJava(): string {
  built ??= builtFolder();
  const folder = join(built, 'java');
  if (!existsSync(folder)) {
    mkdirSync(folder);
    execFileSync('javac', ['-d', folder, join(engines, 'Threads.java')]);
  }
  return folder;
}

function example(name: string, program: string): string {
  execFileSync('sh', [join(root, 'examples/build.sh'), name], { stdio: 'ignore' });
  return join(root, 'examples', name, program);
}

/** `mode` of burner.c or of held.c, computing for so long. */
const burner = (mode: string, seconds: number): readonly string[] => [
  compiled(join(engines, 'burner.c'), 'burner'),
  mode,
  String(seconds),
];
export const held = (mode: string, seconds: number, ...more: readonly string[]): readonly string[] => [
  compiled(join(own, 'held.c'), 'held'),
  mode,
  String(seconds),
  ...more,
];

/** Of talk.c. */
export const talk = (by: string, seconds: number): readonly string[] => [
  compiled(join(engines, 'talk.c'), 'talk'),
  by,
  String(seconds),
];

/** A shim that finds the interpreter is another program; what is moved is the interpreter. */
function python(): string {
  return execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).trim();
}

// To wait by reading what never comes costs nothing; each `sleep` would be another process.
const pipeline = `
  exec 3< <(exec sleep 3600)
  for i in $(seq 1 100); do
    while [ $i = 95 ] && [ ! -e finish ]; do read -rt 0.1 -u 3; done
    for j in $(seq 1 20000); do :; done; echo $i; done |
  while read n; do echo $((n * n)); done | (s=0; while read n; do s=$((s + n)); echo $s; done; exit 3)
  echo "\${PIPESTATUS[@]}"; kill $!; exit 14`;

// Begun again where a round has ended, so that there is something to move for as long as it takes.
const bursts = (count: number): string => `for i in $(seq ${count}); do bash burst.bash data || exit; done; exit 15`;

/** Some seconds without a move, and two more for each. */
const seconds = (times: number): number => 1.5 + times / 2;
/** The same for programs that know no seconds. */
const size = (times: number): string => (times > 2 ? '4' : '1');

/** One of each kind that the old kernel patch could or could not move, and what people run today. */
export const programs: readonly Program[] = [
  {
    name: 'multifibo, the whole tree',
    needs: ['c++'],
    // From one number to the next takes 1.6 times as long.
    command: (times) => [example('multifibo', 'build/multifibo'), times > 2 ? '47' : '44'],
    exitCode: 0,
    waits: false,
    // They write as they come; those that are forked after a move have other pids.
    masked: (output) => lines(output.replaceAll(/\[\d+\]/g, '[pid]')),
  },
  {
    name: 'DistKeyGen',
    needs: ['c++', 'openssl'],
    command: (times) => [example('distkeygen', 'build/distkeygen'), '7', times > 2 ? '6000' : '1200', '512'],
    exitCode: 0,
    waits: false,
  },
  {
    name: 'Bash and Perl',
    needs: ['bash', 'perl'],
    command: (times) => ['bash', '-c', `cd '${join(root, 'examples/bash-perl')}' && ${bursts(times > 2 ? 20 : 5)}`],
    exitCode: 15,
    waits: false,
    masked: lines,
  },
  {
    name: 'Python with threads',
    needs: ['python3'],
    command: (times) => [python(), join(engines, 'threads.py'), times > 2 ? '12' : '4'],
    exitCode: 8,
    waits: true,
  },
  {
    name: 'Node with worker threads',
    needs: [],
    command: (times) => [process.execPath, join(own, 'threads.mjs'), times > 2 ? '8' : '3'],
    exitCode: 13,
    waits: true,
  },
  {
    name: 'SWI-Prolog with threads',
    needs: ['swipl'],
    command: () => ['swipl', join(engines, 'threads.pl')],
    exitCode: 10,
    waits: true,
  },
  {
    name: 'Java with threads',
    needs: ['java'],
    command: (times) => ['java', '-cp', compiledJava(), 'Threads', size(times)],
    exitCode: 9,
    waits: true,
  },
  {
    name: 'a pipeline of a shell',
    needs: ['bash'],
    command: () => ['bash', '-c', pipeline],
    exitCode: 14,
    waits: true,
  },
  {
    name: 'much memory',
    needs: [],
    // To copy so much is work that the kernel does in its name.
    command: (times) => held('memory', times > 2 ? 15 : seconds(times), times > 2 ? '1024' : '64'),
    exitCode: 12,
    waits: true,
  },
  {
    name: 'files being written',
    needs: [],
    command: (times) => held('files', seconds(times)),
    exitCode: 6,
    waits: true,
  },
  {
    name: 'a pair of unix sockets',
    needs: [],
    command: (times) => held('pair', seconds(times)),
    exitCode: 11,
    waits: true,
  },
  {
    name: 'System V shared memory and semaphores',
    needs: ['root'],
    command: (times) => talk('memory', seconds(times)),
    exitCode: 16,
    waits: true,
  },
  {
    name: 'System V messages',
    needs: [],
    command: (times) => talk('messages', seconds(times)),
    exitCode: 16,
    waits: true,
  },
  {
    name: 'Python multiprocessing pool',
    needs: ['root', 'python3'],
    command: (times) => [python(), join(engines, 'pool.py'), size(times)],
    exitCode: 17,
    waits: true,
    // Of two undisturbed runs on a crowded machine one may take that much more.
    usageDiffers: 0.15,
  },
  {
    name: 'timers and sleeps',
    needs: [],
    command: (times) => burner('timers', seconds(times)),
    exitCode: 5,
    waits: true,
  },
  {
    name: 'one that ignores signals',
    needs: [],
    command: (times) => burner('deaf', seconds(times)),
    exitCode: 4,
    waits: true,
  },
];
