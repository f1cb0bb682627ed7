import { readFileSync } from 'node:fs';

import { Command } from 'commander';
import { describe, expect, it } from 'vitest';

import { jobVariables, referenceMarkdown } from '../src/reference/markdown.ts';
import { reference } from '../src/reference/print.ts';

function source(path: string): string {
  return readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');
}

describe('docs/reference.md', () => {
  it('is what the code makes (npm run docs writes it anew)', () => {
    expect(source('docs/reference.md')).toBe(reference());
  });

  it('names the variables that a node gives to its jobs, all of them', () => {
    const given = [...source('workers/node/src/starter.ts').matchAll(/\b(OMX_[A-Z]+)=/g)].map((match) => match[1]);
    expect(jobVariables.map(([name]) => name)).toEqual([...new Set(given)]);
  });
});

describe('the reference', () => {
  it('shows arguments, groups of options and defaults, and escapes what Markdown would take for its own', () => {
    const program = new Command('omx');
    program
      .command('greet')
      .description('says a | b <c>')
      .argument('<who>', 'whom to greet')
      .option('--loud', 'in capitals')
      .optionsGroup('More:')
      .option('--as <a|b>', 'in a form', 'a');
    const text = referenceMarkdown(program);
    expect(text).toContain('| [`omx greet`](#omx-greet) | says a \\| b &lt;c> |');
    expect(text).toContain(
      '```\nomx greet [options] <who>\n```\n\n| argument |  |\n| --- | --- |\n| `who` | whom to greet |',
    );
    expect(text).toContain('| options |  |\n| --- | --- |\n| `--loud` | in capitals |');
    expect(text).toContain('| more |  |\n| --- | --- |\n| `--as <a\\|b>` | in a form (default: `a`) |');
  });

  it('leaves hidden options out', () => {
    const program = new Command('omx');
    const command = program.command('greet');
    command.addOption(command.createOption('--secret', 'hidden').hideHelp());
    expect(referenceMarkdown(program)).not.toContain('--secret');
  });
});
