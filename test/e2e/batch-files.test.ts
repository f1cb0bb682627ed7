import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';

import { useHome } from '../kit/home.ts';
import { ran } from '../kit/ran.ts';

const home = useHome({ shared: true });

const write = (name: string, text: string | Uint8Array): string => {
  writeFileSync(join(home.work, name), text);
  return name;
};
const dryRun = async (...args: readonly string[]): Promise<(readonly unknown[])[]> => {
  const { code, stderr, jsonLines } = await home.omx(['submit', '--dry-run', '--json', ...args]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return jsonLines().map(({ argv }) => argv);
};

/** One batch in each of the formats. */
const sweep = {
  yaml: `# two by two jobs
name: sweep
command: [printf, "[%s]", "{N}", "{mode}", 007, 2.50, true, "a b"]
param:
  N: 1..2
  mode: [fast, "so slow"]
env: { LEVEL: 03 }
`,
  toml: `# two by two jobs
name = "sweep"
command = ["printf", "[%s]", "{N}", "{mode}", "007", "2.50", "true", 'a b']
[param]
N = "1..2"
mode = ["fast", "so slow"]
[env]
LEVEL = "03"
`,
  json: JSON.stringify({
    name: 'sweep',
    command: ['printf', '[%s]', '{N}', '{mode}', '007', '2.50', true, 'a b'],
    param: { N: '1..2', mode: ['fast', 'so slow'] },
    env: { LEVEL: '03' },
  }),
};
const products = [
  ['1', 'fast'],
  ['1', 'so slow'],
  ['2', 'fast'],
  ['2', 'so slow'],
].map((values) => ['printf', '[%s]', ...values, '007', '2.50', 'true', 'a b']);

describe('formats', () => {
  test.each([
    ['sweep.yaml', sweep.yaml],
    ['sweep.yml', sweep.yaml],
    ['sweep.toml', sweep.toml],
    ['sweep.json', sweep.json],
    ['SWEEP.YAML', sweep.yaml],
  ])('%s', async (name, text) => {
    expect(await dryRun('-f', write(name, text))).toEqual(products);
  });

  test('a file really runs, from any folder', async () => {
    const folder = join(home.work, 'elsewhere');
    mkdirSync(folder);
    const batch = await ran(home, ['-f', join(home.work, write('sweep.yaml', sweep.yaml))], { cwd: folder });
    expect(batch.code).toBe(0);
    expect(Object.values(batch.out).map(String)).toEqual(
      products.map((argv) =>
        argv
          .slice(2)
          .map((word) => `[${word}]`)
          .join(''),
      ),
    );
    expect((await home.omx(['status', batch.id, '--json'])).json()).toMatchObject({
      name: 'sweep',
      total: 4,
      state: 'succeeded',
    });
  });
});

describe('where the jobs come from', () => {
  const cases: Record<string, { file: string; argvs: string[][] }> = {
    'a text is split as a shell splits words': {
      file: `command: echo 'a b' "c" $HOME`,
      argvs: [['echo', 'a b', 'c', '$HOME']],
    },
    'with shell it is kept': {
      file: 'command: echo $HOME | wc\nshell: true',
      argvs: [['/bin/sh', '-c', 'echo $HOME | wc']],
    },
    'an array': {
      file: 'command: [echo, "{}"]\narray: 2-6:2%1',
      argvs: [
        ['echo', '2'],
        ['echo', '4'],
        ['echo', '6'],
      ],
    },
    'an array of one number': { file: 'command: [echo, "{}"]\narray: 5', argvs: [['echo', '5']] },
    'values of each': {
      file: 'command: [echo]\neach: [a b, 1, 007]',
      argvs: [
        ['echo', 'a b'],
        ['echo', '1'],
        ['echo', '007'],
      ],
    },
    'a file of each': {
      file: 'command: [echo]\neach: lines.txt',
      argvs: [
        ['echo', 'one'],
        ['echo', 'two'],
      ],
    },
    'values that end in NUL': {
      file: 'command: [echo]\neach: nuls\nnull: true',
      argvs: [
        ['echo', 'a\nb'],
        ['echo', 'c'],
      ],
    },
    'lists of values': {
      file: 'command: [echo, "{2}{1}"]\nvalues: [[a, b], [1]]',
      argvs: [
        ['echo', '1a'],
        ['echo', '1b'],
      ],
    },
    'parameters as texts': {
      file: 'command: [echo, "{N}{M}"]\nparam: ["N=1..2", M=x]',
      argvs: [
        ['echo', '1x'],
        ['echo', '2x'],
      ],
    },
    'a parameter of a file': {
      file: 'command: [echo, "{N}"]\nparam: {N: "@lines.txt"}',
      argvs: [
        ['echo', 'one'],
        ['echo', 'two'],
      ],
    },
    'a table': { file: 'command: [echo, "{b}-{a}"]\ncsv: table.csv', argvs: [['echo', '2-1']] },
    'command lines': { file: `commands: ["echo 'a b'", "true"]`, argvs: [['echo', 'a b'], ['true']] },
    'a file of command lines': { file: 'commands: commands.txt', argvs: [['echo', 'x y'], ['true']] },
  };
  beforeAll(() => {
    mkdirSync(join(home.work, 'batch'));
    write('batch/lines.txt', 'one\ntwo\n');
    write('batch/nuls', 'a\nb\0c\0');
    write('batch/table.csv', 'a,b\n1,2\n');
    write('batch/commands.txt', "echo 'x y'\n# no\ntrue\n");
  });

  // Files that a batch file names are looked for beside it.
  test.each(Object.entries(cases))('%s', async (_, { file, argvs }) => {
    expect(await dryRun('-f', write('batch/b.yaml', file))).toEqual(argvs);
  });
});

describe('options in a file', () => {
  test('say where the jobs run, counted from the file', async () => {
    mkdirSync(join(home.work, 'project/data'), { recursive: true });
    write('project/data/input', 'of the file');
    write('data-here', 'of the command line');
    const show = ['sh', '-c', 'pwd; cat'];
    const file = write('project/b.json', JSON.stringify({ command: show, cwd: 'data', stdin: 'data/input' }));
    const inFile = await ran(home, ['-f', file]);
    expect(String(inFile.out[1])).toBe(`${home.work}/project/data\nof the file`);
    const typed = await ran(home, ['-f', file, '--cwd', '.', '--stdin', 'data-here']);
    expect(String(typed.out[1])).toBe(`${home.work}\nof the command line`);
    const neither = await ran(home, ['-f', write('project/c.json', JSON.stringify({ command: ['pwd'] }))]);
    expect(String(neither.out[1])).toBe(`${home.work}\n`);
  });

  test('give way to those of the command line', async () => {
    const file = write('over.yaml', 'name: in-file\ncommand: [echo, "{}"]\narray: 1-9\nenv: {A: file}\npriority: 3');
    expect(await dryRun('-f', file, '--array', '4-5')).toEqual([
      ['echo', '4'],
      ['echo', '5'],
    ]);
    expect(await dryRun('-f', file, '--array', '7', '--', 'printf', '{}')).toEqual([['printf', '7']]);
    const batch = await ran(home, [
      '-f',
      file,
      '--array',
      '1',
      '--name',
      'typed',
      '--env',
      'A=typed',
      '--',
      'sh',
      '-c',
      'echo $A',
    ]);
    expect(String(batch.out[1])).toBe('typed\n');
    expect((await home.omx(['status', batch.id, '--json'])).json().name).toBe('typed');
  });

  test('all do what the options of the same name do', async () => {
    const file = {
      name: 'all of them',
      command: ['sh', '-c', 'echo $A $OMX_ATTEMPT; test $OMX_ATTEMPT = 2'],
      launcher: 'plain',
      cpus: 1,
      mem: '1GiB',
      time: '1m',
      grace: 5,
      retries: 3,
      'retry-on': ['exit=1', 'timeout'],
      backoff: '1ms..2ms',
      'max-fails': '50%',
      priority: -5,
      order: 'reverse',
      'clean-env': true,
      env: ['A=1'],
      'max-output': '1MiB',
      parse: 'lines',
      key: 'only once',
    };
    const name = write('all.json', JSON.stringify(file));
    const batch = await ran(home, ['-f', name]);
    expect(batch.jobs[0]).toMatchObject({ state: 'succeeded', attempt: 2, launcher: 'plain' });
    expect(String(batch.out[1])).toBe('1 2\n');
    expect((await ran(home, ['-f', name])).id).toBe(batch.id);
    expect((await home.omx(['results', batch.id, '--json'])).jsonLines()).toHaveLength(1);
  });

  test('time and retry-on are kept to', async () => {
    const batch = await ran(home, [
      '-f',
      write('time.toml', `command = ["sleep", "100"]\ntime = "50ms"\nretries = 2\nretry-on = "exit"`),
    ]);
    expect(batch.jobs[0]).toMatchObject({ outcome: 'timed-out', attempt: 1 });
    const again = await ran(home, ['-f', 'time.toml', '--retry-on', 'timeout', '--retries', '1', '--backoff', '1ms']);
    expect(again.jobs[0]).toMatchObject({ outcome: 'timed-out', attempt: 2 });
  });

  test('hold and after keep the batch back', async () => {
    const { id } = (
      await home.omx(['submit', '--json', '-f', write('hold.yaml', 'command: "true"\nhold: true')])
    ).json();
    const next = (
      await home.omx(['submit', '--json', '-f', write('after.yaml', `command: "true"\nafter: ["${id}:any"]`)])
    ).json();
    expect((await home.omx(['status', next.id, '--json'])).json().state).toBe('held');
    expect((await home.omx(['release', id])).code).toBe(0);
    expect((await home.omx(['wait', id, next.id])).code).toBe(0);
  });

  test('are the keys of omx schema', async () => {
    const schema = (await home.omx(['schema'])).json();
    expect(schema.$schema).toMatch(/json-schema/);
    const help = (await home.omx(['submit', '--help'])).stdout;
    // `values` is what ::: is, `null` is -0.
    const options = Object.keys(schema.properties).filter((key) => key !== 'command' && key !== 'values');
    expect(options.length).toBeGreaterThan(25);
    for (const key of options) expect(help).toContain(`--${key} `.trimEnd());
  });
});
