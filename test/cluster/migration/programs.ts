import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
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
const engines = join(root, 'packages/launch/test/criu/programs');
const lines = (text: string): string => text.split('\n').sort().join('\n');

let built: string | undefined;
afterAll(() => {
  if (built !== undefined) rmSync(built, { recursive: true, force: true });
  built = undefined;
});

function compiled(source: string, name: string): string {
  built ??= mkdtempSync('/tmp/omx-programs-');
  const target = join(built, name);
  if (!existsSync(target)) execFileSync('cc', ['-O1', '-o', target, source]);
  return target;
}

function compiledJava(): string {
  built ??= mkdtempSync('/tmp/omx-programs-');
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

/** A shim that finds the interpreter is another program; what is moved is the interpreter. */
function python(): string {
  return execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).trim();
}

const pipeline = `
  for i in $(seq 1 100); do
    while [ $i = 95 ] && [ ! -e finish ]; do sleep 0.02; done
    for j in $(seq 1 20000); do :; done; echo $i; done |
  while read n; do echo $((n * n)); done | (s=0; while read n; do s=$((s + n)); echo $s; done; exit 3)
  echo "\${PIPESTATUS[@]}"; exit 14`;

// Begun again where a round has ended, so that there is something to move for as long as it takes.
const bursts = (count: number): string => `for i in $(seq ${count}); do bash burst.bash data || exit; done; exit 15`;

/** Some seconds without a move, and two more for each. */
const seconds = (times: number): number => 1.5 + times / 2;

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
    // Primes are found by chance: of two undisturbed runs with so many pairs one may take so much longer.
    usageDiffers: 0.15,
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
    command: () => [python(), join(engines, 'threads.py')],
    exitCode: 8,
    waits: true,
    // Threads that wait for each other's lock wake up more or less often.
    usageDiffers: 0.15,
  },
  {
    name: 'Node with worker threads',
    needs: [],
    command: (times) => [process.execPath, join(own, 'threads.mjs'), times > 2 ? '8' : '3'],
    exitCode: 13,
    waits: true,
    usageDiffers: 0.1,
  },
  {
    name: 'SWI-Prolog with threads',
    needs: ['swipl'],
    command: () => ['swipl', join(engines, 'threads.pl')],
    exitCode: 10,
    waits: true,
    usageDiffers: 0.1,
  },
  {
    name: 'Java with threads',
    needs: ['java'],
    command: () => ['java', '-cp', compiledJava(), 'Threads'],
    exitCode: 9,
    waits: true,
    // Its compiler and its collector are threads that decide by the clock what to do.
    usageDiffers: 0.15,
  },
  {
    name: 'a pipeline of a shell',
    needs: ['bash'],
    command: () => ['bash', '-c', pipeline],
    exitCode: 14,
    waits: true,
    usageDiffers: 0.1,
  },
  {
    name: 'much memory',
    needs: [],
    command: (times) => held('memory', seconds(times), times > 2 ? '1024' : '64'),
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
