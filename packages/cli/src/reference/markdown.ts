import { ExitCode } from '@omx/core';
import type { Command, Option } from 'commander';

/** What scripts may rely on: one line for each code, so that a new code cannot be forgotten here. */
const exitCodes: Readonly<Record<keyof typeof ExitCode, string>> = {
  ok: 'all well',
  jobsFailed: 'some job did not succeed (`run`, `wait`, `submit --wait`), or a check of `doctor` failed',
  usage: 'bad usage, a bad batch file or a bad setting',
  unreachable: 'the queue cannot be reached, or output cannot be fetched from its node',
  notFound: 'there is no such batch, job or node',
  waitTimeout: '`--timeout` of `wait` ran out',
  interrupted: 'interrupted by Ctrl-C; the jobs go on',
};

/** What every job finds in its environment beside what was captured at the submit. */
export const jobVariables = [
  ['OMX_BATCH', 'id of the batch: `b7`'],
  ['OMX_JOB', 'index of the job: `12`'],
  ['OMX_ATTEMPT', 'number of the attempt, from 1'],
  ['OMX_NODE', 'name of the node it runs on'],
  [
    'OMX_VALUE',
    'the job’s value: the index of an array, a value of a list, several values with blanks between, a CSV row with commas between; not set where it is longer than 100,000 bytes',
  ],
] as const;

/** `docs/reference.md`: all commands as the program knows them, with exit codes and the jobs’ variables. */
export function referenceMarkdown(program: Command): string {
  const { commands } = program;
  const blocks = [
    '# Reference',
    'Made from the program by `npm run docs`: change the code, not this page. `omx COMMAND --help` prints the same.',
    program.description(),
    table(
      ['command', 'what it does'],
      commands.map((command) => [
        `[\`omx ${command.name()}\`](#omx-${command.name()})`,
        escaped(command.description()),
      ]),
    ),
    'Without a command, `omx` is `omx status`. `omx --version` (`-V`) prints the version; `--help` (`-h`) helps with every command.',
    selectors,
    ...commands.flatMap((command) => commandBlocks(command)),
    '## Exit codes',
    table(
      ['code', 'meaning'],
      Object.entries(ExitCode).map(([name, code]) => [String(code), exitCodes[name as keyof typeof ExitCode]]),
    ),
    '`omx run` of a single job ends with that job’s own code, or with 128 plus the number of the signal that ended it.',
    '## Environment variables of a job',
    'A job has the environment of the submit, changed by `--env` and `--clean-env`, and these:',
    table(
      ['variable', 'value'],
      jobVariables.map(([name, value]) => [`\`${name}\``, value]),
    ),
    '`OMX_TOKEN` is there too. omx finds the processes of a job by it; leave it as it is.',
  ];
  return `${blocks.join('\n\n')}\n`;
}

const selectors = [
  '## Selectors',
  'Commands that take `SEL` know batches and jobs by these words. Several may be given.',
  table(
    ['selector', 'what it names'],
    [
      ['`b7` or `7`', 'a batch'],
      ['`b7.3`', 'one of its jobs, by its index'],
      ['`b7.1-9,12`', 'some of its jobs'],
      ['`last`', 'the newest batch; `last.3` is a job of it'],
      ['`all`', 'every batch'],
    ],
  ),
].join('\n\n');

function commandBlocks(command: Command): string[] {
  return [
    `## omx ${command.name()}`,
    sentence(command.description()),
    `\`\`\`\nomx ${command.name()} ${command.usage()}\n\`\`\``,
    ...(command.registeredArguments.length === 0
      ? []
      : [
          table(
            ['argument', ''],
            command.registeredArguments.map((argument) => [`\`${argument.name()}\``, escaped(argument.description)]),
          ),
        ]),
    ...optionGroups(command).map(([heading, options]) =>
      table(
        [heading, ''],
        options.map((option) => [code(option.flags), `${escaped(option.description)}${defaultText(option)}`]),
      ),
    ),
  ];
}

/** The options in their order, under the headings of the help. */
function optionGroups(command: Command): [string, Option[]][] {
  const groups = new Map<string, Option[]>();
  for (const option of command.options) {
    if (option.hidden) continue;
    const heading = (option.helpGroupHeading ?? 'Options:').replace(/:$/, '').toLowerCase();
    groups.set(heading, [...(groups.get(heading) ?? []), option]);
  }
  return [...groups];
}

function defaultText({ defaultValue }: Option): string {
  return defaultValue === undefined ? '' : ` (default: \`${String(defaultValue)}\`)`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** In a table a bar ends a cell, in a code span too. */
function code(text: string): string {
  return `\`${text.replaceAll('|', String.raw`\|`)}\``;
}

function escaped(text: string): string {
  return text
    .replaceAll('<', '&lt;')
    .replaceAll('*', String.raw`\*`)
    .replaceAll('|', String.raw`\|`);
}

function sentence(text: string): string {
  const clean = text.replaceAll('<', '&lt;');
  return `${clean.charAt(0).toUpperCase()}${clean.slice(1)}${clean.endsWith('.') ? '' : '.'}`;
}
