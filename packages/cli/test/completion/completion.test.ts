import { PassThrough } from 'node:stream';

import { execa } from 'execa';
import { describe, expect, it } from 'vitest';

import { bashCompletion } from '../../src/completion/bash.ts';
import { fishCompletion } from '../../src/completion/fish.ts';
import { completionModel } from '../../src/completion/model.ts';
import { zshCompletion } from '../../src/completion/zsh.ts';
import type { Io } from '../../src/io.ts';
import { buildProgram } from '../../src/program.ts';

const io: Io = {
  stdin: new PassThrough(),
  stdout: new PassThrough(),
  stderr: new PassThrough(),
  env: {},
  cwd: '/',
  onInterrupt: () => () => {},
};
const model = completionModel(buildProgram(io, () => {}));

describe('the model', () => {
  it('has every command with its options', () => {
    expect(model.commands.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['submit', 'rerun', 'cancel', 'up', 'completion', 'help']),
    );
    const rerun = model.commands.find(({ name }) => name === 'rerun');
    expect(rerun?.options.find(({ long }) => long === 'export')).toMatchObject({ value: 'file' });
    expect(rerun?.options.find(({ long }) => long === 'as-new')).toMatchObject({ value: undefined });
    expect(rerun?.words).toEqual(['last', 'all']);
  });

  it('knows --csv as a file of jobs and as a form of output', () => {
    const csvOf = (command: string) =>
      model.commands.find(({ name }) => name === command)?.options.find(({ long }) => long === 'csv')?.value;
    expect([csvOf('submit'), csvOf('results')]).toEqual(['file', undefined]);
  });
});

describe('the bash script, in bash', () => {
  const complete = async (...words: readonly string[]): Promise<string[]> => {
    const call = `eval "$(cat)"; COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); _omx; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout } = await execa('bash', ['--norc', '-c', call, 'bash', ...words], { input: bashCompletion(model) });
    return stdout.split('\n').filter((word) => word !== '');
  };

  it.each([
    ['a command', ['omx', 'rer'], ['rerun']],
    ['an option', ['omx', 'rerun', 'b1', '--as'], ['--as-new']],
    ['a value', ['omx', 'rerun', '--on', 'not'], ['not-started']],
    ['a value after a joined one', ['omx', 'submit', '--launcher=plain', '--order', 'ran'], ['random']],
    ['a choice of two', ['omx', 'submit', '--balance', ''], ['on', 'off']],
    ['a word', ['omx', 'migrate', '--to', 'n2', 'la'], ['last']],
    ['a shell', ['omx', 'completion', ''], ['bash', 'zsh', 'fish']],
    ['nothing of ours for a file', ['omx', 'submit', '--each', ''], []],
    ['nothing of ours after the program', ['omx', 'submit', 'echo', '--l'], []],
    ['nothing of ours after --', ['omx', 'rerun', 'b1', '--', '--l'], []],
    ['nothing for an unknown command', ['omx', 'bogus', ''], []],
  ])('completes %s', async (_name, words, expected) => {
    expect(await complete(...words)).toEqual(expected);
  });

  it('completes the program of a submit', async () => {
    expect(await complete('omx', 'submit', '--array', '1-3', 'trunca')).toContain('truncate');
    expect(await complete('omx', 'submit', '--name', 'x', '--', 'trunca')).toContain('truncate');
  });
});

describe('the scripts of zsh and fish', () => {
  it('quote what descriptions hold', () => {
    const tricky = {
      commands: [
        {
          name: 'x',
          description: "a: b's [c]",
          options: [{ short: 'y', long: 'yes', description: "it's [1:2]", value: ['p', 'q'] }],
          words: [],
          runsProgram: false,
        },
      ],
    };
    expect(zshCompletion(tricky)).toContain(String.raw`'x:a\: b'\''s [c]'`);
    expect(zshCompletion(tricky)).toContain(String.raw`'*--yes[it'\''s \[1:2\]]:yes:(p q)'`);
    expect(fishCompletion(tricky)).toContain(String.raw`-s y -l yes -x -a 'p q' -d 'it\'s [1:2]'`);
  });
});
