import { describe, expect, it } from 'vitest';

import { bytesOf, type Bytes } from '../../src/bytestring.ts';
import { parseBatchFile } from '../../src/spec/batch-file.ts';
import { compileBatch, type CompiledBatch } from '../../src/spec/compile.ts';
import { batchEnvironment } from '../../src/spec/environment.ts';
import { compileLimits, defaultLimits } from '../../src/spec/options.ts';
import { whereOnCommandLine } from '../../src/spec/problem.ts';
import type { RawBatch } from '../../src/spec/raw-batch.ts';
import { loadSources } from '../../src/spec/sources.ts';

const context = { cwd: bytesOf('/home/u'), umask: 0o22, envDigest: 'digest' };

/** Compiles as the command line does, with files from a table. */
async function compile(raw: RawBatch, files: Record<string, string> = {}): Promise<CompiledBatch> {
  const read = (path: string): Promise<Buffer> => {
    const text = files[path];
    return text === undefined
      ? Promise.reject(Object.assign(new Error('ENOENT: …'), { code: 'ENOENT' }))
      : Promise.resolve(Buffer.from(text));
  };
  return compileBatch(raw, await loadSources(raw, read), context);
}

describe('compileBatch', () => {
  it('fills in the defaults', async () => {
    expect(await compile({ command: ['./bin/fib', '40'] })).toEqual({
      spec: {
        name: 'fib',
        command: ['./bin/fib', '40'],
        shell: false,
        jobs: { kind: 'single' },
        launcher: 'auto',
        nodes: [],
        labels: {},
        cwd: '/home/u',
        umask: 18,
        env: 'digest',
        after: [],
        hold: false,
        priority: 0,
        order: 'index',
        balance: true,
        oversubscribe: false,
        forkMigrate: false,
        limits: defaultLimits,
      },
      items: undefined,
    });
  });

  it('compiles every option', async () => {
    const { spec } = await compile({
      command: 'fib "a b" {}',
      name: 'sweep',
      array: '1-100%5',
      launcher: 'plain',
      node: 'n1,n2',
      label: ['gpu=a=b'],
      cpus: '2',
      mem: '2GiB',
      time: '1h30m',
      grace: 5,
      retries: 3,
      'retry-on': 'exit=1,2',
      backoff: '2s',
      'max-fails': '5%',
      priority: '-3',
      order: 'longest',
      after: ['b1', 'b2:any'],
      cwd: 'sub',
      stdin: 'in.txt',
      'max-output': '10MiB',
      parse: 'json',
      key: 'k',
      hold: true,
      balance: 'off',
    });
    expect(spec).toMatchObject({
      name: 'sweep',
      command: ['fib', 'a b', '{}'],
      jobs: { kind: 'array', ranges: [{ first: 1, last: 100, step: 1 }] },
      throttle: 5,
      nodes: ['n1', 'n2'],
      labels: { gpu: 'a=b' },
      maxFails: { percent: 5 },
      balance: false,
      priority: -3,
      after: [
        { selector: 'b1', on: 'ok' },
        { selector: 'b2', on: 'any' },
      ],
      cwd: '/home/u/sub',
      stdin: '/home/u/in.txt',
      limits: {
        cpus: 2,
        memBytes: 2 ** 31,
        timeMs: 5_400_000,
        graceMs: 5000,
        retries: 3,
        maxOutputBytes: 10 * 2 ** 20,
      },
    });
    expect(spec.limits.retryOn.exits).toEqual([1, 2]);
    expect(spec.limits.backoff).toEqual({ minMs: 2000, maxMs: 2000 });
  });

  it('reads lists, tables, commands and parameters from files', async () => {
    const files = { l: 'a\n\nb', z: 'a\nb\0c\0', t: 'x,y\n1,2\n', c: "p 'q r'\n# no\n\ns\n", '-': '7\n8\n' };
    expect((await compile({ command: ['p'], each: 'l' }, files)).items).toEqual([['a'], [''], ['b']]);
    expect((await compile({ command: ['p'], each: 'z', null: true }, files)).items).toEqual([['a\nb'], ['c']]);
    expect(await compile({ command: ['p', '{y}'], csv: 't' }, files)).toMatchObject({
      spec: { jobs: { kind: 'rows', columns: ['x', 'y'], count: 1 } },
      items: [['1', '2']],
    });
    expect(await compile({ commands: 'c' }, files)).toMatchObject({
      spec: { name: 'c', command: [], jobs: { kind: 'commands', count: 2 } },
      items: [['p', 'q r'], ['s']],
    });
    expect((await compile({ commands: 'c', shell: true }, files)).items).toEqual([["p 'q r'"], ['s']]);
    expect((await compile({ command: ['p'], param: ['N=1..3', 'M=@-'] }, files)).spec.jobs).toEqual({
      kind: 'product',
      axes: [
        { name: 'N', range: { first: 1, last: 3, step: 1 } },
        { name: 'M', values: ['7', '8'] },
      ],
    });
  });

  it('takes inline lists', async () => {
    expect((await compile({ command: ['p'], each: ['é', 5] })).items).toEqual([[bytesOf('é')], ['5']]);
    expect((await compile({ commands: ['a b', "'c d'"] })).items).toEqual([['a', 'b'], ['c d']]);
    expect((await compile({ command: ['p'], values: [['a', 1], [true]] })).spec.jobs).toMatchObject({
      axes: [
        { name: '1', values: ['a', '1'] },
        { name: '2', values: ['true'] },
      ],
    });
    expect((await compile({ command: ['p'], param: { N: 5, M: [1, 'x,y'] } })).spec.jobs).toMatchObject({
      axes: [
        { name: 'N', values: ['5'] },
        { name: 'M', values: ['1', 'x,y'] },
      ],
    });
  });

  it('prefers words given as bytes', () => {
    const bytes = '\u00FF' as Bytes;
    const raw = { command: ['p', '\uFFFD'], values: [['\uFFFD']] };
    const { spec } = compileBatch(raw, { command: [bytesOf('p'), bytes], values: [[bytes]] }, context);
    expect(spec).toMatchObject({ command: ['p', '\u00FF'], jobs: { axes: [{ values: ['\u00FF'] }] } });
  });

  it('keeps a shell command whole', async () => {
    const { spec } = await compile({ command: 'sort {} | uniq -c', shell: true, each: ['a'] });
    expect(spec).toMatchObject({ name: 'sort', command: ['sort {} | uniq -c'], shell: true });
  });

  it.each<[RawBatch, string, Record<string, string>?]>([
    [{}, 'command: there is no command to run'],
    [{ command: '' }, 'command: there is no command to run'],
    [{ command: [''] }, 'command: the name of the program is empty'],
    [{ command: ['p', 'a\0b'] }, 'command: a word holds a NUL byte'],
    [{ command: "p 'x" }, "command: the quote ' is never closed (character 3)"],
    [{ command: ['p', '{foo}'], array: 5 }, 'command: nobody defines the placeholder {foo}'],
    [{ command: ['p'], array: 5, each: ['a'] }, '--each: --array and --each both say where the jobs come from'],
    [{ command: ['p'], values: [['a']], param: 'N=1' }, '--param: ::: and --param both say'],
    [{ command: ['p'], commands: ['q'] }, '--commands: there is a command, and commands of the jobs'],
    [{ command: ['p'], null: true }, '-0: it is about the file of --each'],
    [{ command: ['p'], each: 'none' }, "--each: cannot read 'none': no such file"],
    [{ command: ['p'], each: 'l' }, '--each: there are no values', { l: '' }],
    [{ command: ['p'], each: 'l' }, '--each: value 2 holds a NUL byte', { l: 'a\nb\0c\n' }],
    [{ command: ['p'], each: '-', param: 'N=@-' }, '--each: standard input can be read once', { '-': 'x' }],
    [{ command: ['p'], csv: 't' }, 't:2:1: the row has 1 field', { t: 'a,b\n1\n' }],
    [{ commands: 'c' }, "c:2:3: the quote ' is never closed", { c: "a\nb 'c\n" }],
    [{ commands: 'c' }, 'c:1:1: the name of the program is empty', { c: "'' x\n" }],
    [{ commands: ['a', ' '] }, '--commands: there is no command to run'],
    [{ command: ['p'], values: [] }, ':::: there are no values'],
    [{ command: ['p'], values: [['a'], []] }, ':::: 2 has no values'],
    [{ command: ['p'], param: ['N=1', 'N=2'] }, "--param: the parameter 'N' is given twice"],
    [{ command: ['p'], param: ['A=1..100000', 'B=1..100000'] }, '--param: 10000000000 jobs are more than the 10000000'],
    [{ command: ['p'], param: { index: 1 } }, "--param: 'index' is reserved"],
    [{ command: ['p'], time: '0s' }, "--time: '0s' would leave nothing"],
    [{ command: ['p'], cpus: 0 }, "--cpus: '0' is not a whole number from 1"],
    [{ command: ['p'], cpus: 1.5 }, "--cpus: '1.5' is not a whole number"],
    [{ command: ['p'], launcher: 'mosrn' }, "--launcher: 'mosrn' is not a launcher; did you mean mosrun?"],
    [{ command: ['p'], label: 'x' }, "--label: 'x' is not a label"],
    [{ command: ['p'], node: 'a,,b' }, "--node: '' is not the name of a node"],
    [{ command: ['p'], name: 'a\nb' }, '--name: it holds a control character'],
    [{ command: ['p'], key: '' }, '--key: it is empty'],
    [{ command: ['p'], stdin: '-' }, "--stdin: '-' cannot be kept"],
    [{ command: ['p'], backoff: '1m..1s' }, '--backoff:'],
    [{ command: ['p'], balance: 'of' }, "--balance: 'of' is not on or off"],
    [{ command: ['p'], 'checkpoint-every': '999ms' }, "--checkpoint-every: '999ms' is less than a second"],
    [{ command: ['p'], 'checkpoint-every': 0 }, "--checkpoint-every: '0' is less than a second"],
    [{ command: ['p'], 'checkpoint-every': 'often' }, "--checkpoint-every: 'often' is not a duration"],
    [
      { command: ['p'], launcher: 'plain', 'fork-migrate': true },
      '--fork-migrate: it does not go with the launcher plain: omx cannot run the children',
    ],
    [
      { command: ['p'], launcher: 'mosrun', oversubscribe: true },
      '--oversubscribe: it does not go with the launcher mosrun: omx cannot move such jobs',
    ],
    [
      { command: ['p'], launcher: 'plain', 'checkpoint-every': '10m' },
      '--checkpoint-every: it does not go with the launcher plain: omx can make no image',
    ],
  ])('refuses %j: %s', async (raw, message, files = {}) => {
    const refusal = { code: 'SPEC_INVALID', exitCode: 2, message: expect.stringContaining(message) as string };
    await expect(compile(raw, files)).rejects.toMatchObject(refusal);
  });

  it.each(['criu', 'auto'] as const)('lets jobs of %s be moved, frozen and crowded', async (launcher) => {
    const raw = { command: ['p'], launcher, 'checkpoint-every': '10m', oversubscribe: true, 'fork-migrate': true };
    const { spec } = await compile({ ...raw, balance: false });
    expect(spec).toMatchObject({ balance: false, checkpointMs: 600_000, oversubscribe: true, forkMigrate: true });
  });

  it('takes what is switched off with every launcher', async () => {
    const raw = { command: ['p'], launcher: 'plain', oversubscribe: false, 'fork-migrate': false };
    expect((await compile({ ...raw, balance: 'on' })).spec).toMatchObject({ balance: true, oversubscribe: false });
  });

  it('names the place in a batch file for what shows only here', async () => {
    const { raw, where } = await parseBatchFile(
      'f.yaml',
      Buffer.from('name: x\ncommand: p {foo}\narray: 1-3\n'),
      'yaml',
    );
    expect(() => compileBatch(raw, {}, { ...context, where })).toThrow(
      'f.yaml:2:1  command: nobody defines the placeholder {foo}',
    );
    const both = await parseBatchFile('f.yaml', Buffer.from('command: p\narray: 1-3\ncsv: t\n'), 'yaml');
    expect(() => compileBatch(both.raw, {}, { ...context, where: both.where })).toThrow(
      'f.yaml:3:1  csv: array and csv both',
    );
  });

  it.each([
    [['./{}'], 'batch'],
    [['/'], 'batch'],
    [['a\nb/c d'], 'a'],
    [['/usr/bin/env'], 'env'],
  ])('names a batch of %j %s', async (command, name) => {
    expect((await compile({ command, array: 1 })).spec.name).toBe(name);
  });
});

describe('compileLimits', () => {
  it('changes what is given alone', () => {
    const base = { ...defaultLimits, memBytes: 5, timeMs: 7 };
    expect(compileLimits({ mem: '8GiB' }, whereOnCommandLine, base)).toEqual({ ...base, memBytes: 2 ** 33 });
  });
});

describe('batchEnvironment', () => {
  const captured = ['PATH=/bin', 'X=1', 'HOME=/h', 'E=a=b'].map((entry) => bytesOf(entry));

  it('adds, replaces and sorts', () => {
    expect(batchEnvironment(captured, { env: ['X=2', 'N=', 'Ü=é'] })).toEqual([
      'E=a=b',
      'HOME=/h',
      'N=',
      'PATH=/bin',
      'X=2',
      bytesOf('Ü=é'),
    ]);
    expect(batchEnvironment(captured, { env: { X: 5 } })).toContain('X=5');
  });

  it('keeps a few with clean-env', () => {
    expect(batchEnvironment(captured, { env: 'X=2', 'clean-env': true })).toEqual(['HOME=/h', 'PATH=/bin', 'X=2']);
  });

  it.each([['X'], ['=1']])('refuses %s', (env) => {
    expect(() => batchEnvironment(captured, { env })).toThrow(`--env: '${env}' is not a variable`);
  });
});
