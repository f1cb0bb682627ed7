import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { needs, type Tool } from '../../../../test/kit/needs.ts';
import { capsuleShape } from '../../src/criu/index.ts';
import { builtFolder, compile, Job, programs, skip } from './kit.ts';

/** How often each is moved: `npm run migration` asks for more, and then they are longer. */
const times = Number(process.env['OMX_MIGRATION_TIMES'] ?? 4);
const seconds = times > 4 ? 2 : 1;

const burner = (mode: string): readonly string[] => [
  compile(join(programs, 'burner.c'), 'burner'),
  mode,
  String(seconds),
];
const byRoot = process.geteuid?.() === 0;
const shapes = [['a user namespace', true], ...(byRoot ? ([['no user namespace', false]] as const) : [])] as const;

const multifibo = fileURLToPath(new URL('../../../../examples/multifibo/multifibo.cpp', import.meta.url));
const sorted = (text: string): string => text.split('\n').sort().join('\n');

describe.each(shapes)('in a capsule with %s', (_, userNamespace) => {
  const shape = { ...capsuleShape(), userNamespace };
  const start = (command: readonly string[]): Job => Job.start(command, shape);

  test.each(['loop', 'fork', 'deaf', 'timers', 'file', 'memory'])(
    '%s: moved again and again it writes and ends as if it had not been moved, and its usage is right',
    { ...skip, timeout: 120_000 },
    async (mode) => {
      const still = await start(burner(mode)).finish().end();
      expect(still.status?.usage.userUs).toBeGreaterThan(seconds * 0.5e6);

      const job = start(burner(mode));
      await job.progress();
      for (let i = 0; i < times; i++) {
        await job.move(i % 2 === 0 ? 'other' : 'same');
        await job.progress(job.lines() < 90 ? 1 : 0);
      }
      job.finish();
      const moved = await job.end();
      expect(job.moves).toBe(times);
      // Children write as they come.
      const order = mode === 'fork' ? sorted : (text: string): string => text;
      expect(order(moved.out)).toBe(order(still.out));
      expect(moved.err).toBe('');
      expect(moved.ended).toEqual(still.ended);
      const cpu = ({ userUs = 0, sysUs = 0 } = {}): number => userUs + sysUs;
      expect(cpu(moved.usage) / cpu(still.usage)).toBeGreaterThan(0.95);
      expect(cpu(moved.usage) / cpu(still.usage)).toBeLessThan(1.05);
      if (mode === 'memory') expect(moved.usage?.maxRssKib).toBeGreaterThan(64 << 10);
    },
  );
});

/** Programs as users have them: what they print and how they end is what counts. */
const found = [
  {
    name: 'multifibo and its forty processes',
    needs: ['c++'],
    command: () => [compile(multifibo, 'multifibo', 'c++'), times > 4 ? '44' : '43'],
    // It writes seldom towards its end.
    lines: 0,
    // They write as they come; those that are forked after a move have other pids.
    order: (text: string) => sorted(text.replaceAll(/\[\d+\]/g, '[pid]')),
  },
  {
    name: 'a pipeline',
    needs: ['bash'],
    command: () => ['bash', '-c', pipeline],
  },
  {
    name: 'Python with threads',
    needs: ['python3'],
    command: () => [python(), join(programs, 'threads.py')],
  },
  {
    name: 'Java with threads',
    needs: ['java'],
    command: () => ['java', '-cp', compileJava(), 'Threads'],
  },
  {
    name: 'SWI-Prolog with threads',
    needs: ['swipl'],
    command: () => ['swipl', join(programs, 'threads.pl')],
  },
] as const satisfies readonly Program[];

interface Program {
  readonly name: string;
  readonly needs: readonly Tool[];
  readonly command: () => readonly string[];
  /** To wait for between two moves. @defaultValue 1 */
  readonly lines?: number;
  readonly order?: (text: string) => string;
}

const pipeline = `
  for i in $(seq 1 100); do
    while [ $i = 95 ] && [ ! -e finish ]; do sleep 0.02; done
    for j in $(seq 1 15000); do :; done; echo $i; done |
  while read n; do echo $((n * n)); done | (s=0; while read n; do s=$((s + n)); echo $s; done; exit 3)
  echo "\${PIPESTATUS[@]}"; exit 12`;

describe.each(found as readonly Program[])('$name', ({ needs: wanted, command, lines = 1, order = (text) => text }) => {
  const missing = needs(...wanted);
  const options = missing === undefined ? skip : { skip: true, meta: { skipReason: missing } };
  test.each(shapes)(
    'is moved again and again in a capsule with %s',
    { ...options, timeout: 180_000 },
    async (_, userNamespace) => {
      const shape = { ...capsuleShape(), userNamespace };
      const still = await Job.start(command(), shape).finish().end();
      expect(still.err).toBe('');
      const job = Job.start(command(), shape);
      await job.progress();
      for (let i = 0; i < times; i++) {
        await job.move(i % 2 === 0 ? 'other' : 'same');
        await job.progress(job.lines() < 90 ? lines : 0);
      }
      job.finish();
      const moved = await job.end();
      expect(order(moved.out)).toBe(order(still.out));
      expect(moved.err).toBe('');
      expect(moved.ended).toEqual(still.ended);
    },
  );
});

function python(): string {
  // A shim that finds the interpreter is another program; what is moved is the interpreter.
  return execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).trim();
}

function compileJava(): string {
  const folder = builtFolder();
  execFileSync('javac', ['-d', folder, join(programs, 'Threads.java')]);
  return folder;
}
