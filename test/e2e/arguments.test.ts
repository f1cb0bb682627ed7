import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';

import { useHome } from '../kit/home.ts';
import { fixture, ran, type RanBatch, ranTogether } from '../kit/ran.ts';

const home = useHome({ shared: true });
const argvHex = fixture('argv-hex');

/** Words that a shell, a template or an option parser might touch. */
const awkward = [
  ...[
    'a b',
    ' ',
    '',
    '\n',
    'two\nlines\n',
    '\t',
    '"',
    "'",
    '\\',
    '\\n',
    '`',
    '$HOME',
    '$(id)',
    '*',
    '~',
    '#',
    ';',
    '&&',
    '|',
    '!',
  ],
  ...['-x', '--', '--json', '-q', '--array', '-', '=', 'é', '日本', '👩‍🚀', '\u{1f600}', '\u0001', '%s', '%n'],
];
/** Words with braces: a single job has no placeholders at all. */
const braces = ['{}', '{1}', '{nope}', '{{}}', '{.}', '{', '}', '{print $1}', '${HOME}', '{"a":1}', '{1..5}'];
/** All bytes a word can hold. */
const everyByte = Buffer.from(Array.from({ length: 255 }, (_, at) => at + 1));

const hex = (words: readonly (string | Uint8Array)[]): string =>
  words.map((word) => `${Buffer.from(word as string).toString('hex')}\n`).join('');

describe('words on the command line', () => {
  let batches: ReadonlyMap<string, RanBatch>;
  const wanted = {
    plain: { args: ['--', argvHex, ...awkward, ...braces] },
    'an array': {
      args: [
        '--array',
        '3',
        '--',
        argvHex,
        ...awkward,
        '{print $1}',
        '${HOME}',
        '{"a":1}',
        '{1..5}',
        '{{}}',
        '{{index}}',
        '{}',
      ],
    },
    'without --': { args: [argvHex, '--array', '1-3', '--json', '-f', 'x', '--nope', '-h', '--help', '--version'] },
    'a list after :::': { args: ['--', argvHex, ':::', ...awkward] },
    'a parameter': { args: ['--param', 'P=a b,"c",-x,{}', '--', argvHex, '{P}'] },
    'a shell that gets awkward values': { args: ['--shell', '--', `${argvHex} {}`, ':::', ...awkward, ...braces] },
  };
  beforeAll(async () => {
    batches = await ranTogether(home, wanted);
  });
  const out = (name: keyof typeof wanted): string[] => Object.values(batches.get(name)?.out ?? {}).map(String);

  test('reach the program byte for byte', () => {
    expect(out('plain')).toEqual([hex([...awkward, ...braces])]);
  });

  test('that look like placeholders and are none stay, and doubled braces stand for one', () => {
    expect(out('an array')).toEqual([
      hex([...awkward, '{print $1}', '${HOME}', '{"a":1}', '{1..5}', '{}', '{index}', '3']),
    ]);
  });

  test('after the program belong to it, also where they are options of omx', () => {
    expect(out('without --')).toEqual([
      hex(['--array', '1-3', '--json', '-f', 'x', '--nope', '-h', '--help', '--version']),
    ]);
  });

  test('after ::: are values', () => {
    expect(out('a list after :::')).toEqual(awkward.map((word) => hex([word])));
  });

  test('of a parameter are put in once: a value is no template', () => {
    expect(out('a parameter')).toEqual(['a b', '"c"', '-x', '{}'].map((word) => hex([word])));
  });

  test('are quoted for a shell', () => {
    expect(out('a shell that gets awkward values')).toEqual([...awkward, ...braces].map((word) => hex([word])));
  });

  test('a second -- is a word like any other', async () => {
    const dry = await home.omx(['submit', '--dry-run', '--json', 'echo', '--', '-n', '--', 'x']);
    expect(dry.json().argv).toEqual(['echo', '--', '-n', '--', 'x']);
    const both = await home.omx(['submit', '--dry-run', '--json', '--', 'echo', '--', '--json']);
    expect(both.json().argv).toEqual(['echo', '--', '--json']);
  });
});

describe('bytes that are not UTF-8', () => {
  const bad = Buffer.from('61ff62c3', 'hex');
  /** The printf format that makes these bytes, since a spawned argument is always text. */
  const asPrintf = [...bad].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('');
  /** Runs what follows with the bytes as last argument. */
  const withBadWord = ['sh', '-c', `exec "$@" "$(printf '${asPrintf}')"`, 'sh'];

  test('on the command line', async () => {
    const batch = await ran(home, ['--', argvHex, 'é', '\uFFFD'], { through: withBadWord });
    expect(String(batch.out[1])).toBe(hex(['é', '\uFFFD', bad]));
    expect(batch.jobs[0].argv).toEqual([argvHex, 'é', '\uFFFD', { base64: bad.toString('base64') }]);
  });

  test('after :::', async () => {
    const batch = await ran(home, [argvHex, '{}', ':::', 'a'], { through: withBadWord });
    expect([batch.out[1], batch.out[2]].map(String)).toEqual([hex(['a']), hex([bad])]);
  });

  test('from files of every kind, with every byte there is', async () => {
    const noLineEnds = everyByte.filter(
      (byte) => byte !== 10 && byte !== 13 && byte !== 34 && byte !== 39 && byte !== 44 && byte !== 92,
    );
    const noBlanks = noLineEnds.filter((byte) => byte !== 32 && byte !== 9);
    const write = (name: string, ...parts: readonly (string | Uint8Array)[]): void =>
      writeFileSync(join(home.work, name), Buffer.concat(parts.map((part) => Buffer.from(part as string))));
    write('values', everyByte, '\0', bad, '\0');
    write('lines', noLineEnds, '\n', bad, '\r\n');
    write('table.csv', 'a,b\n"', noLineEnds, '",', bad, '\n');
    write('commands', argvHex, ' ', noBlanks, ' ', bad, '\n');
    const batches = await ranTogether(home, {
      each: { args: ['--each', 'values', '-0', argvHex] },
      lines: { args: ['--each', 'lines', argvHex, '{}'] },
      param: { args: ['--param', 'P=@lines', argvHex, 'x{P}x'] },
      csv: { args: ['--csv', 'table.csv', argvHex, '{b}', '{a}'] },
      commands: { args: ['--commands', 'commands'] },
    });
    const out = (name: string): string[] => Object.values(batches.get(name)?.out ?? {}).map(String);
    const carriage = Buffer.concat([bad, Buffer.from('\r')]);
    expect(out('each')).toEqual([hex([everyByte]), hex([bad])]);
    expect(out('lines')).toEqual([hex([noLineEnds]), hex([carriage])]);
    expect(out('param')).toEqual(
      [noLineEnds, carriage].map((value) => hex([Buffer.concat([Buffer.from('x'), value, Buffer.from('x')])])),
    );
    expect(out('csv')).toEqual([hex([bad, noLineEnds])]);
    expect(out('commands')).toEqual([hex([noBlanks, bad])]);
  });

  test('in what a job writes', async () => {
    const all = Buffer.concat([Buffer.from([0]), everyByte, everyByte.toReversed()]);
    writeFileSync(join(home.work, 'bytes'), all);
    const { id } = (await home.omx(['submit', '--json', '--wait', 'cat', 'bytes'])).json();
    expect((await home.omx(['logs', id])).bytes.equals(all)).toBe(true);
    expect((await home.omx(['logs', id, '--json'])).jsonLines()[0].base64).toBe(all.toString('base64'));
  });
});

describe('long words', () => {
  // Linux takes 131071 bytes in one word (MAX_ARG_STRLEN in execve(2)).
  const longest = 'x'.repeat(131_071);

  test('as long as the kernel takes them', async () => {
    const batch = await ran(home, ['--each', '-', '--', 'sh', '-c', 'echo ${#1}', 'sh', '{}'], { input: longest });
    expect(batch.jobs[0].outcome).toBe('succeeded');
    expect(String(batch.out[1])).toBe('131071\n');
  });

  test('one byte longer, the job says why it was not started', async () => {
    const batch = await ran(home, ['--each', '-', '--', 'echo', '{}'], { input: `${longest}x\nshort` });
    expect(batch.code).toBe(1);
    expect(batch.jobs.map((job) => [job.outcome, job.attempt])).toEqual([
      ['not-started', 1],
      ['succeeded', 1],
    ]);
  });

  test('very many of them', async () => {
    const words = Array.from({ length: 20_000 }, (_, at) => String(at));
    const batch = await ran(home, ['--', 'sh', '-c', 'shift 19999; echo $# $1', 'sh', ...words]);
    expect(String(batch.out[1])).toBe('1 19999\n');
  });
});
