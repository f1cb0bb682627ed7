import { execFileSync } from 'node:child_process';

import { describe, expect, it } from 'vitest';

import { bytesOf, type Bytes } from '../../src/bytestring.ts';
import { applyPathForm, pathForms } from '../../src/spec/path-form.ts';
import { compileTemplate } from '../../src/spec/placeholders.ts';
import type { JobSource } from '../../src/spec/spec.ts';

const words = (...texts: string[]): Bytes[] => texts.map((text) => bytesOf(text));
const array: JobSource = { kind: 'array', ranges: [{ first: 1, last: 9, step: 1 }] };
const list: JobSource = { kind: 'list', count: 3 };
const axes = (...names: string[]): JobSource => ({
  kind: 'product',
  axes: names.map((name) => ({ name, values: words('x') })),
});
const rows: JobSource = { kind: 'rows', columns: ['city', 'größe', 'a/', '1', 'my file'], count: 1 };

describe('compileTemplate', () => {
  it.each<[string, JobSource, string[], string[], string[]]>([
    ['array', array, ['p', '{}', '-o{index}.{#}'], ['7'], ['p', '7', '-o4.4']],
    ['array without a placeholder', array, ['p'], ['7'], ['p']],
    [
      'list',
      list,
      ['p', '{}', '{.}', '{/}', '{//}', '{/.}', '{1/}'],
      ['d/f.c'],
      ['p', 'd/f.c', 'd/f', 'f.c', 'd', 'f', 'f.c'],
    ],
    ['list without a placeholder', list, ['p', '-x'], ['a b'], ['p', '-x', 'a b']],
    ['list with the index alone', list, ['p', '{#}'], ['a'], ['p', '4']],
    ['product', axes('1', '2'), ['p', '{2}-{1}', '{}', '{2.}'], ['a', 'b.c'], ['p', 'b.c-a', 'a b.c', 'b']],
    ['product without a placeholder', axes('1', '2'), ['p'], ['a', 'b'], ['p', 'a', 'b']],
    ['params', axes('N', 'file'), ['p', '{N}', '{file/.}'], ['1', 'd/f.c'], ['p', '1', 'f']],
    ['params without a placeholder', axes('N'), ['p'], ['1'], ['p']],
    [
      'rows',
      rows,
      ['p', '{city}', '{größe}', '{2}', '{a/}', '{1}', '{my file/.}', '{no such}'],
      ['Rom', '9', 's', 'one', 'd/e.f'],
      ['p', 'Rom', '9', '9', 's', 'one', 'e', '{no such}'],
    ],
    [
      'a single job',
      { kind: 'single' },
      ['find', '{}', '{{}}', '{foo}', '{index}'],
      [],
      ['find', '{}', '{{}}', '{foo}', '{index}'],
    ],
  ])('%s', (_, source, template, values, expected) => {
    expect(compileTemplate(words(...template), source)(4, words(...values))).toEqual(words(...expected));
  });

  it.each([
    ['{print $1}'],
    ['{"a":1}'],
    ['{ }'],
    ['${HOME}'],
    ['${}'],
    ['{1..5}'],
    ['{a,b}'],
    ['{'],
    ['}{'],
    ['{{ x }}'],
    ['{"a":{"b":[]}}'],
    ['{-1}'],
  ])('leaves %s', (word) => {
    expect(compileTemplate(words('p', word, '{}'), list)(1, words('v'))).toEqual(words('p', word, 'v'));
  });

  it.each([
    ['{{}}', '{}'],
    ['{{foo}}', '{foo}'],
    ['a{{1}}{}', 'a{1}v'],
    ['{"k":"{}"}', '{"k":"v"}'],
    ['{{{}', '{{v'],
    ['x{}y{}', 'xvyv'],
  ])('turns %s into %s', (word, expected) => {
    expect(compileTemplate(words('p', word), list)(1, words('v'))[1]).toBe(expected);
  });

  it.each<[string, JobSource, string]>([
    ['{foo}', list, 'nobody defines the placeholder {foo}'],
    ['{2}', list, '{2}'],
    ['{3}', axes('1', '2'), '{3}'],
    ['{1}', array, '{1}'],
    ['{}', axes('N'), '{}'],
    ['{n}', axes('N'), '{n}'],
    ['{}', rows, '{}'],
    ['{City.}', rows, '{City.}'],
    ['{index}', { kind: 'rows', columns: ['index'], count: 1 }, 'is a column and the number of the job'],
  ])('refuses %s', (word, source, message) => {
    expect(() => compileTemplate(words('p', word), source)).toThrow(message);
  });

  it('tells the known names and how to write the text itself', () => {
    const refusal = expect.objectContaining({ hint: 'known here: {N} {index}; write {{foo}} for the text itself' });
    expect(() => compileTemplate(words('p', '{foo}'), axes('N'))).toThrow(refusal as Error);
  });

  it('quotes values for a shell, each once', () => {
    const fill = compileTemplate(words('echo {} | wc'), list, { quote: true });
    expect(fill(1, words("it's; rm"))).toEqual([String.raw`echo 'it'\''s; rm' | wc`]);
    expect(fill(1, words('a.txt'))).toEqual(['echo a.txt | wc']);
  });
});

describe('path forms', () => {
  const samples = [
    'a',
    '.',
    '/',
    '//',
    'a/',
    'a//',
    'a/b',
    'a/b/',
    '/a',
    'a.b',
    'a.b.c',
    '.rc',
    'x/.rc',
    'a.b/c',
    'a/b.',
    '..',
  ];
  const more = [
    '../..',
    'a//b',
    './a.tar.gz',
    '/.x',
    '/a.b/',
    'a.b//',
    '-x.y',
    'sp ace.d/f i.le',
    'ü.é',
    "q'u.o",
    '///x///y.z//',
  ];

  it.each([
    ['d/f.tar.gz', ['d/f.tar.gz', 'd/f.tar', 'f.tar.gz', 'd', 'f.tar']],
    ['/f', ['/f', '/f', 'f', '/', 'f']],
    ['f', ['f', 'f', 'f', '.', 'f']],
    ['', ['', '', '', '', '']],
  ])('%s', (value, expected) => {
    expect(pathForms.map((form) => applyPathForm(bytesOf(value), form))).toEqual(expected);
  });

  it('are those of GNU parallel', (context) => {
    const all = [...samples, ...more];
    let output: string;
    try {
      const template = String.raw`printf '%s\n' {} {.} {/} {//} {/.}`;
      const options = { input: `${all.join('\0')}\0`, stdio: ['pipe', 'pipe', 'ignore'] as ['pipe', 'pipe', 'ignore'] };
      output = execFileSync('parallel', ['-0', '-k', '--will-cite', template], options).toString();
    } catch (error) {
      return context.skip(`GNU parallel cannot be run: ${(error as Error).message}`);
    }
    const ours = all.flatMap((value) => pathForms.map((form) => applyPathForm(bytesOf(value), form)));
    expect(output.split('\n').slice(0, -1)).toEqual(ours.map((value) => Buffer.from(value, 'latin1').toString()));
  });
});
