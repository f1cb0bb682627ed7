import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { type RunningOmx, useHome } from '../kit/home.ts';
import { fixture, ran, type RanBatch, ranTogether } from '../kit/ran.ts';
import { until } from '../kit/until.ts';

const home = useHome({ shared: true });

/** A program that shows its arguments apart: `printf '[%s]' a b` writes `[a][b]`. */
const show = ['printf', '[%s]'];

interface Form {
  readonly args: readonly string[];
  /** The words after `show` of each job, by index. */
  readonly jobs: Readonly<Record<number, readonly string[]>>;
  readonly input?: string;
}

const forms: Record<string, Form> = {
  'one command': { args: [...show, 'a b', 'c'], jobs: { 1: ['a b', 'c'] } },
  'an array': {
    args: ['--array', '1-3', ...show, '{}', 'n{index}'],
    jobs: { 1: ['1', 'n1'], 2: ['2', 'n2'], 3: ['3', 'n3'] },
  },
  'an array with a step': { args: ['--array', '0-9:4', ...show, '{}'], jobs: { 0: ['0'], 4: ['4'], 8: ['8'] } },
  'an array of parts': {
    args: ['--array', '3,8-10,5', ...show, '{}'],
    jobs: { 3: ['3'], 5: ['5'], 8: ['8'], 9: ['9'], 10: ['10'] },
  },
  'an array of one': { args: ['--array', '7', ...show, '{}'], jobs: { 7: ['7'] } },
  'an array, two at once': { args: ['--array', '1-3%2', ...show, '{}'], jobs: { 1: ['1'], 2: ['2'], 3: ['3'] } },
  'an array that names no placeholder': { args: ['--array', '1-2', ...show, 'x'], jobs: { 1: ['x'], 2: ['x'] } },
  'each line of a file': {
    args: ['--each', 'lines', ...show, '{}', '-'],
    jobs: { 1: ['a b', '-'], 2: ['', '-'], 3: ['last', '-'] },
  },
  'each line, its parts as a path': {
    args: ['--each', 'paths', ...show, '{.}', '{/}', '{//}', '{/.}'],
    jobs: { 1: ['/x/y.tar', 'y.tar.gz', '/x', 'y.tar'], 2: ['z', 'z', '.', 'z'] },
  },
  'each line, appended': {
    args: ['--each', 'lines', ...show, 'x'],
    jobs: { 1: ['x', 'a b'], 2: ['x', ''], 3: ['x', 'last'] },
  },
  'each line of stdin': {
    args: ['--each', '-', ...show, '{}'],
    jobs: { 1: ['one'], 2: ['two words'] },
    input: 'one\ntwo words\n',
  },
  'values that end in NUL': {
    args: ['--each', '-', '-0', ...show, '{}'],
    jobs: { 1: ['a\nb'], 2: [''], 3: ['c'] },
    input: 'a\nb\0\0c\0',
  },
  'a list after :::': { args: [...show, 'x', ':::', 'a', 'b c'], jobs: { 1: ['x', 'a'], 2: ['x', 'b c'] } },
  'a product of lists': {
    args: [...show, '{2}-{1}', '{}', ':::', 'a', 'b', ':::', '1', '2'],
    jobs: { 1: ['1-a', 'a 1'], 2: ['2-a', 'a 2'], 3: ['1-b', 'b 1'], 4: ['2-b', 'b 2'] },
  },
  'a parameter with a range': {
    args: ['--param', 'N=1..3', ...show, 'n={N}'],
    jobs: { 1: ['n=1'], 2: ['n=2'], 3: ['n=3'] },
  },
  'a parameter with a step, downwards': {
    args: ['--param', 'N=10..1..4', ...show, '{N}'],
    jobs: { 1: ['10'], 2: ['6'], 3: ['2'] },
  },
  'a parameter of a file': {
    args: ['--param', 'LINE=@lines', ...show, '{LINE}'],
    jobs: { 1: ['a b'], 2: [''], 3: ['last'] },
  },
  'a product of parameters': {
    args: ['--param', 'N=1..2', '--param', 'mode=fast,slow', ...show, '{mode}{N}'],
    jobs: { 1: ['fast1'], 2: ['slow1'], 3: ['fast2'], 4: ['slow2'] },
  },
  'rows of a table': {
    args: ['--csv', 'table.csv', ...show, '{name}', '{full size}'],
    jobs: { 1: ['a,b', '1'], 2: ['say "hi"', '2\n3'] },
  },
  'a command a line': {
    args: ['--commands', 'commands'],
    jobs: { 1: ['two words', 'x*'], 2: ['$HOME', '|', ''], 3: ['{}'] },
  },
};

beforeAll(() => {
  const files = {
    lines: 'a b\n\nlast',
    paths: '/x/y.tar.gz\nz\n',
    'table.csv': 'name,full size\r\n"a,b",1\r\n"say ""hi""","2\n3"\r\n',
    commands: `# each line is a job\nprintf [%s] 'two words' x*\n\n  printf '[%s]' $HOME "|" ''\nprintf \\[%s] {}\n`,
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(home.work, name), content);
});

describe('every form of a submit', () => {
  let batches: ReadonlyMap<string, RanBatch>;
  beforeAll(async () => {
    batches = await ranTogether(home, forms);
  });

  test.each(Object.entries(forms))('%s', async (name, { args, jobs, input }) => {
    const dry = await home.omx(['submit', '--dry-run', '--json', ...args], { input: input ?? '' });
    const expected = Object.entries(jobs).map(([index, words]) => ({
      index: Number(index),
      argv: [...show, ...words],
    }));
    expect(dry.jsonLines()).toEqual(expected);

    const batch = batches.get(name);
    expect(batch?.jobs.map(({ index, argv, state }) => ({ index, argv, state }))).toEqual(
      expected.map((job) => ({ ...job, state: 'succeeded' })),
    );
    for (const [index, words] of Object.entries(jobs)) {
      expect(String(batch?.out[index])).toBe(words.map((word) => `[${word}]`).join(''));
    }
  });

  test('through a shell, where values are quoted and the rest is not', async () => {
    const batch = await ran(home, [
      '--shell',
      '--',
      'echo $((20 + 1)) {} > $OMX_JOB.txt; cat $OMX_JOB.txt',
      ':::',
      'a  b',
      '$HOME; exit 9',
      "it's",
    ]);
    expect(Object.values(batch.out).map(String)).toEqual(['21 a  b\n', '21 $HOME; exit 9\n', "21 it's\n"]);
    expect(readFileSync(join(home.work, '2.txt'), 'utf8')).toBe('21 $HOME; exit 9\n');
    expect(batch.jobs[0].argv.slice(0, 2)).toEqual(['/bin/sh', '-c']);
  });

  test('a dry run starts nothing: no server, no worker', async () => {
    const dir = join(home.dir, 'untouched');
    const dry = await home.omx(['submit', '--dry-run', '--array', '1-2', 'echo', 'a b', '{}'], {
      env: { OMX_HOME: dir },
    });
    expect(dry.lines()).toEqual(["1\techo 'a b' 1", "2\techo 'a b' 2"]);
    expect(readdirSync(home.dir)).not.toContain('untouched');
  });
});

describe('what a job sees', () => {
  const variables = ['--', 'sh', '-c', 'echo "$OMX_BATCH $OMX_JOB $OMX_ATTEMPT $OMX_NODE|$OMX_VALUE"'];
  const values: Record<string, { args: string[]; value: string; index?: number; input?: string }> = {
    'of one command': { args: [...variables], value: '' },
    'of an array': { args: ['--array', '5', ...variables], value: '5', index: 5 },
    'of a list': { args: ['--each', '-', ...variables], value: 'a  b', input: 'a  b\n' },
    'of a product': { args: ['--param', 'A=x', '--param', 'B=y', ...variables], value: 'x y' },
    'of a row': { args: ['--csv', '-', ...variables], value: 'x y,2', input: 'a,b\nx y,2\n' },
  };

  let batches: ReadonlyMap<string, RanBatch>;
  beforeAll(async () => {
    batches = await ranTogether(home, values);
  });

  test.each(Object.entries(values))('OMX_* %s', (name, { value, index = 1 }) => {
    const batch = batches.get(name);
    const [job] = batch?.jobs ?? [];
    expect(String(batch?.out[index])).toBe(`${batch?.id} ${index} 1 ${job.node}|${value}\n`);
    expect(job.node).toMatch(/./);
  });

  test('OMX_ATTEMPT counts the attempts', async () => {
    const batch = await ran(home, [
      '--retries',
      '2',
      '--backoff',
      '1ms',
      '--',
      'sh',
      '-c',
      'echo $OMX_ATTEMPT; test $OMX_ATTEMPT = 3',
    ]);
    expect(batch.code).toBe(0);
    expect(batch.jobs[0].attempt).toBe(3);
    expect(String(batch.out[1])).toBe('3\n');
  });
});

describe('at most so many at once', () => {
  let worker: RunningOmx;
  beforeAll(async () => {
    worker = home.omxSpawn(['worker', '--name', 'wide', '--slots', '4', '--label', 'wide=yes']);
    await until(async () =>
      (await home.omx(['nodes', '--json'])).jsonLines().some((node) => node.name === 'wide' && node.state === 'up'),
    );
  });
  afterAll(async () => {
    worker.kill();
    await worker.ended;
  });

  const running = (folder: string): string[] => readdirSync(folder).filter((name) => name.startsWith('running.'));
  const start = async (name: string, array: string): Promise<{ id: string; folder: string }> => {
    const folder = join(home.work, name);
    mkdirSync(folder);
    const { id } = (
      await home.omx(['submit', '--json', '--label', 'wide=yes', '--array', array, fixture('gate'), folder])
    ).json();
    return { id, folder };
  };
  const openAll = (folder: string): void => {
    for (let job = 1; job <= 6; job += 1) writeFileSync(join(folder, `open.${job}`), '');
  };
  /** How many ran, as each job saw it at its start. */
  const counts = (folder: string): number[] =>
    readFileSync(join(folder, 'together'), 'utf8').trim().split('\n').map(Number);

  test('%2 on a node with room for four', async () => {
    const { id, folder } = await start('throttled', '1-6%2');
    await until(() => counts(folder), { is: (all) => all.length === 2 });
    // One place is freed at a time: the next job takes it, and it alone.
    for (const started of [3, 4, 5]) {
      writeFileSync(join(folder, (running(folder)[0] ?? '').replace('running', 'open')), '');
      await until(() => counts(folder), { is: (all) => all.length === started });
    }
    openAll(folder);
    expect((await home.omx(['wait', id])).code).toBe(0);
    expect(Math.max(...counts(folder))).toBe(2);
  });

  test('the same without a limit fills the node, so the fixture can tell', async () => {
    const { id, folder } = await start('unlimited', '1-6');
    await until(() => counts(folder), { is: (all) => all.length === 4 });
    openAll(folder);
    expect((await home.omx(['wait', id])).code).toBe(0);
    expect(Math.max(...counts(folder))).toBe(4);
  });
});
